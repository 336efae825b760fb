export * from "@effect-ws/topics/TopicServer"
