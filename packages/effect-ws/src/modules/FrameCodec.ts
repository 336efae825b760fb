export * from "@effect-ws/protocol/FrameCodec"
