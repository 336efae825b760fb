export * from "@effect-ws/protocol/SessionEvent"
