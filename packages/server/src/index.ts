export * as Handlers from "./Handlers.ts"
export * as WebSocketServer from "./WebSocketServer.ts"
