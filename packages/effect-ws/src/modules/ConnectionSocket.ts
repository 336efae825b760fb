export * from "@effect-ws/connection/ConnectionSocket"
