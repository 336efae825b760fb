export * from "@effect-ws/protocol/HeaderGrammar"
