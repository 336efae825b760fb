export * from "@effect-ws/topics/TopicPresence"
