export * from "@effect-ws/protocol/SendError"
