export * from "@effect-ws/inspector/Recording"
