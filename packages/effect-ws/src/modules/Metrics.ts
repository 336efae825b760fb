export * from "@effect-ws/connection/Metrics"
