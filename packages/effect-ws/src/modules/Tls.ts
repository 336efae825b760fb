export * from "@effect-ws/transport/Tls"
