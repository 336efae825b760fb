export * from "@effect-ws/connection/TypedConnection"
