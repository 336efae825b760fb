export * from "@effect-ws/protocol/ClientHandshake"
