export * from "@effect-ws/transport/Push"
