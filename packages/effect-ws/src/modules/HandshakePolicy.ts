export * from "@effect-ws/protocol/HandshakePolicy"
