export * from "@effect-ws/protocol/BasicAuth"
