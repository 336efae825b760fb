export * from "@effect-ws/client/SendRejected"
