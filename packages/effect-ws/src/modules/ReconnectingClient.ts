export * from "@effect-ws/client/ReconnectingClient"
