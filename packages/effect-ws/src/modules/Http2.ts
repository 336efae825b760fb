export * from "@effect-ws/transport/Http2"
