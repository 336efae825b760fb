export * from "@effect-ws/protocol/CloseFrame"
