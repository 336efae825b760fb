export * from "@effect-ws/transport/Dialer"
