export * from "@effect-ws/connection/ResumableClient"
