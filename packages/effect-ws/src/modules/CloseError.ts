export * from "@effect-ws/protocol/CloseError"
