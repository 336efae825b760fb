export * from "@effect-ws/connection/Budget"
