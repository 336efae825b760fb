export * from "@effect-ws/connection/MessageConnection"
