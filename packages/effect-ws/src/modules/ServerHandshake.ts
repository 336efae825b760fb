export * from "@effect-ws/protocol/ServerHandshake"
