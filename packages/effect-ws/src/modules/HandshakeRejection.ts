export * from "@effect-ws/protocol/HandshakeRejection"
