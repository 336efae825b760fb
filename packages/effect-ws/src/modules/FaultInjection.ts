export * from "@effect-ws/transport/FaultInjection"
