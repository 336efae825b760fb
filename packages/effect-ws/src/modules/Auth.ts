export * from "@effect-ws/server/Auth"
