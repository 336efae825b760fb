export * from "@effect-ws/protocol/Extension"
