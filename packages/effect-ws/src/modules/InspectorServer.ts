export * from "@effect-ws/inspector/InspectorServer"
