export * from "@effect-ws/transport/LinkedList"
