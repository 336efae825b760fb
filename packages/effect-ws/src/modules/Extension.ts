export * from "@effect-ws/extensions/Extension"
