export * from "@effect-ws/transport/Tcp"
