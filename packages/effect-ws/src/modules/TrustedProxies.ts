export * from "@effect-ws/transport/TrustedProxies"
