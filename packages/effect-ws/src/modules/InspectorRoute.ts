export * from "@effect-ws/inspector/InspectorRoute"
