export * from "@effect-ws/transport/ProxyProtocol"
