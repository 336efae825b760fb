export * from "@effect-ws/server/ConnectionSocketServer"
