export * from "@effect-ws/protocol/Session"
