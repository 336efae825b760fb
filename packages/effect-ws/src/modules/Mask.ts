export * from "@effect-ws/protocol/Mask"
