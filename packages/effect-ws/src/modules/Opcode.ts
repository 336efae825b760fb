export * from "@effect-ws/protocol/Opcode"
