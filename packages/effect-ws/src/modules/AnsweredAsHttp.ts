export * from "@effect-ws/connection/AnsweredAsHttp"
