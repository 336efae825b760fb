export * from "@effect-ws/topics/MemoryEngine"
