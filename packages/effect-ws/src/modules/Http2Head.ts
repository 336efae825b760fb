export * from "@effect-ws/protocol/Http2Head"
