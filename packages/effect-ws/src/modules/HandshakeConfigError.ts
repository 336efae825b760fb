export * from "@effect-ws/protocol/HandshakeConfigError"
