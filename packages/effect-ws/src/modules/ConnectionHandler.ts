export * from "@effect-ws/connection/ConnectionHandler"
