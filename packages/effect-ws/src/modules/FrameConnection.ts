export * from "@effect-ws/connection/FrameConnection"
