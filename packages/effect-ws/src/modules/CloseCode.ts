export * from "@effect-ws/protocol/CloseCode"
