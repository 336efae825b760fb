export * from "@effect-ws/client/UnexpectedResponse"
