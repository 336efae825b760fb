export * from "@effect-ws/connection/ResumableServer"
