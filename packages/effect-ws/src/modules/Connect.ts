export * from "@effect-ws/connection/Connect"
