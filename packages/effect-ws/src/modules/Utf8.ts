export * from "@effect-ws/protocol/Utf8"
