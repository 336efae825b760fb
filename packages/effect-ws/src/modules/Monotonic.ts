export * from "@effect-ws/transport/Monotonic"
