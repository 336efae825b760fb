export * from "@effect-ws/protocol/HttpHead"
