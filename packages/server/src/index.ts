export * as Auth from "./Auth.ts"
export * as AuthNonces from "./AuthNonces.ts"
export * as Handlers from "./Handlers.ts"
export * as WebSocketServer from "./WebSocketServer.ts"
