export * from "@effect-ws/topics/TopicClient"
