export * from "@effect-ws/protocol/Message"
