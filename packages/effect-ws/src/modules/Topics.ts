export * from "@effect-ws/topics/Topics"
