export * from "@effect-ws/connection/Fanout"
