export * from "@effect-ws/protocol/FrameWriter"
