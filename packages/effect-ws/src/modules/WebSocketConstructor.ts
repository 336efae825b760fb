export * from "@effect-ws/client/WebSocketConstructor"
