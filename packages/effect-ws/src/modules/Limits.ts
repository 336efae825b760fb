export * from "@effect-ws/protocol/Limits"
