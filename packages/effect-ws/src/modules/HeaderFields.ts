export * from "@effect-ws/protocol/HeaderFields"
