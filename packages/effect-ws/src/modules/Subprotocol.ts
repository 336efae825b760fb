export * from "@effect-ws/protocol/Subprotocol"
