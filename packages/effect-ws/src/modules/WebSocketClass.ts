export * from "@effect-ws/client/WebSocketClass"
