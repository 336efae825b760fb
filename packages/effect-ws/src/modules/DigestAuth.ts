export * from "@effect-ws/protocol/DigestAuth"
