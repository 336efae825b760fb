export * from "@effect-ws/protocol/HandshakeKey"
