export * from "@effect-ws/connection/HandshakeTimeout"
