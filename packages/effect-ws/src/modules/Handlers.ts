export * from "@effect-ws/server/Handlers"
