export * from "@effect-ws/connection/Peer"
