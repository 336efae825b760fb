export * from "@effect-ws/connection/Conflation"
