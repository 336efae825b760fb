export * from "@effect-ws/client/ConnectError"
