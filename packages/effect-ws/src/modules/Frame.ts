export * from "@effect-ws/protocol/Frame"
