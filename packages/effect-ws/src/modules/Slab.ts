export * from "@effect-ws/protocol/Slab"
