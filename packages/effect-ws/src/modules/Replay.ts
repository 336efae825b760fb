export * from "@effect-ws/inspector/Replay"
