export * from "@effect-ws/protocol/RestartReason"
