export * from "@effect-ws/protocol/ProtocolViolation"
