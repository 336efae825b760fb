export * from "@effect-ws/transport/NodeDuplex"
