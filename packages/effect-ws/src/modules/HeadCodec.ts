export * from "@effect-ws/protocol/HeadCodec"
