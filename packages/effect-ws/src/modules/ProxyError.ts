export * from "@effect-ws/client/ProxyError"
