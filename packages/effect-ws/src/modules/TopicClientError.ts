export * from "@effect-ws/topics/TopicClientError"
