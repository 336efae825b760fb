export * from "@effect-ws/transport/HttpUpgrade"
