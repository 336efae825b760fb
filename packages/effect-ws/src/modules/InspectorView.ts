export * from "@effect-ws/inspector/InspectorView"
