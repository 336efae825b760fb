export * from "@effect-ws/server/WebSocketRoute"
