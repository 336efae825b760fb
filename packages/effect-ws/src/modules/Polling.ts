export * from "@effect-ws/connection/Polling"
