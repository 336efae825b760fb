export * from "@effect-ws/server/AuthNonces"
