export * from "@effect-ws/client/HttpProxy"
