export * from "@effect-ws/transport/Memory"
