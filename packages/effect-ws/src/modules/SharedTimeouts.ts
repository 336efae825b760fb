export * from "@effect-ws/transport/SharedTimeouts"
