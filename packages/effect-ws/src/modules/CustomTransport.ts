export * from "@effect-ws/transport/CustomTransport"
