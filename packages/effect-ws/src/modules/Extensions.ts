export * from "@effect-ws/extensions/Extensions"
