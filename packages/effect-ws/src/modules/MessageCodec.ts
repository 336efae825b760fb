export * from "@effect-ws/connection/MessageCodec"
