export * from "@effect-ws/connection/MaskingKeys"
