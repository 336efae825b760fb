export * from "@effect-ws/protocol/SessionState"
