export * from "@effect-ws/protocol/PreparedMessage"
