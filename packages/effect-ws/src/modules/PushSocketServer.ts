export * from "@effect-ws/transport/PushSocketServer"
