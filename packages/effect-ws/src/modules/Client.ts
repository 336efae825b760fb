export * from "@effect-ws/client/Client"
