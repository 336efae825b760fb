export * from "@effect-ws/transport/StoppedClock"
