export * from "@effect-ws/protocol/FrameParser"
