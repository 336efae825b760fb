export * from "@effect-ws/protocol/ExtensionHeader"
