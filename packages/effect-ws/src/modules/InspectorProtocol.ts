export * from "@effect-ws/inspector/InspectorProtocol"
