export * from "@effect-ws/transport/SharedTimer"
