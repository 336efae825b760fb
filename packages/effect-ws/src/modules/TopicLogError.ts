export * from "@effect-ws/topics/TopicLogError"
