export * from "@effect-ws/connection/OneByOne"
