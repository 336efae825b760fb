export * from "@effect-ws/topics/TopicProtocol"
