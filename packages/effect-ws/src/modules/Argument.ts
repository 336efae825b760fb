export * from "@effect-ws/protocol/Argument"
