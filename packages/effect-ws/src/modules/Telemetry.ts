export * from "@effect-ws/connection/Telemetry"
