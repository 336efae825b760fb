export * as WebSocketServer from "./WebSocketServer.ts"
