export * from "@effect-ws/protocol/ClientAuth"
