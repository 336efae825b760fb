export * from "@effect-ws/protocol/ForwardedHeaders"
