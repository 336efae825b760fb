export * from "@effect-ws/client/FailureKind"
