export * from "@effect-ws/connection/ResumableSession"
