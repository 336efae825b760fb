export * from "@effect-ws/transport/Refable"
