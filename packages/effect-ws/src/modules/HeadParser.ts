export * from "@effect-ws/protocol/HeadParser"
