export * as Dialer from "./Dialer.ts"
export * as Push from "./Push.ts"
export * as PushSocketServer from "./PushSocketServer.ts"
