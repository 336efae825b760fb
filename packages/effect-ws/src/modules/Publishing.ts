export * from "@effect-ws/server/Publishing"
