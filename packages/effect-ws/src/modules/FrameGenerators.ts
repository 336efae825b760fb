export * from "@effect-ws/protocol/FrameGenerators"
