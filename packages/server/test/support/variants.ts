import type { Handler } from "@effect-ws/connection/Conversation"
import type { Layer } from "effect"
import type { SocketServer } from "effect/socket"
import * as WebSocketServer from "../../src/WebSocketServer.ts"

/** A kind of server to run the suite over. */
export interface Variant {
  readonly name: string
  readonly layer: (
    handler: Handler<unknown>,
    options?: WebSocketServer.ServerOptions
  ) => Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
}

export const fiber: Variant = { name: "fiber", layer: WebSocketServer.layer }

/** Every kind of server that there is. */
export const variants: ReadonlyArray<Variant> = [fiber]
