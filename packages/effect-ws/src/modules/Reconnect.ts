export * from "@effect-ws/client/Reconnect"
