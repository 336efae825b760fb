export * from "@effect-ws/transport/Unix"
