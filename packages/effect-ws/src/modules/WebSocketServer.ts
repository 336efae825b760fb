export * from "@effect-ws/server/WebSocketServer"
