export * from "@effect-ws/client/Http2Sessions"
