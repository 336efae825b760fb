/** The kinds of server that topics are tested over. */
import type { Handlers } from "@effect-ws/server/Handlers"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as ServerVariants from "@effect-ws/test-peers/ServerVariants"
import type { Layer } from "effect"
import type { SocketServer } from "effect/socket"

/** Every kind of server that takes handlers. */
export const handled: ReadonlyArray<
  ServerVariants.Variant<
    Handlers<unknown>,
    WebSocketServer.ServerOptions,
    Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
  >
> = ServerVariants.handled(WebSocketServer.layer, WebSocketServer.layerQueue)
