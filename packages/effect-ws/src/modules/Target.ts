export * from "@effect-ws/client/Target"
