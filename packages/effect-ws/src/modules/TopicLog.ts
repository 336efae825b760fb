export * from "@effect-ws/topics/TopicLog"
