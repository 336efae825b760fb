export * from "@effect-ws/protocol/SessionSchema"
