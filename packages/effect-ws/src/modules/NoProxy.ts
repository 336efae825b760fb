export * from "@effect-ws/client/NoProxy"
