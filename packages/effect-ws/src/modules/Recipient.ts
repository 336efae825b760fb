export * from "@effect-ws/connection/Recipient"
