export * from "@effect-ws/client/Redirect"
