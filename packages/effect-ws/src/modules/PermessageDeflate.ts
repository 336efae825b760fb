export * from "@effect-ws/extensions/PermessageDeflate"
