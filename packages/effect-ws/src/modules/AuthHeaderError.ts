export * from "@effect-ws/protocol/AuthHeaderError"
