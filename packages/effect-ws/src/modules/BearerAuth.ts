export * from "@effect-ws/protocol/BearerAuth"
