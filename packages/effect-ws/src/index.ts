export * from "@effect-ws/protocol"
export * from "@effect-ws/transport"
export * from "@effect-ws/extensions"
export * from "@effect-ws/connection"
export * from "@effect-ws/server"
export * from "@effect-ws/client"
export * from "@effect-ws/topics"
export * from "@effect-ws/inspector"

// Two modules have this name. The one that an author of extensions works with keeps it; the other is the hook of the
// session that it ends in.
export { Extension } from "@effect-ws/extensions"
export { Extension as SessionExtension } from "@effect-ws/protocol"
