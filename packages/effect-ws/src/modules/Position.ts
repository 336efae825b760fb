export * from "@effect-ws/topics/Position"
