export * from "@effect-ws/transport/SocketFailure"
