export * from "@effect-ws/connection/InvalidMessage"
