export * from "@effect-ws/connection/Accept"
