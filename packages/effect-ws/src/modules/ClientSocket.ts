export * from "@effect-ws/client/ClientSocket"
