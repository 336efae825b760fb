export * from "@effect-ws/connection/Connection"
