export * from "@effect-ws/protocol/Authorization"
