export * from "@effect-ws/protocol/Authority"
