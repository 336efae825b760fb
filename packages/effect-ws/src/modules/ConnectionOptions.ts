export * from "@effect-ws/connection/ConnectionOptions"
