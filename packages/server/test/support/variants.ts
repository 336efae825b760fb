import type { Handler } from "@effect-ws/connection/ConnectionHandler"
import * as ServerVariants from "@effect-ws/test-peers/ServerVariants"
import { Context, Effect, Layer } from "effect"
import type { Scope } from "effect"
import type { SocketServer } from "effect/socket"
import type { Handlers } from "../../src/Handlers.ts"
import * as WebSocketServer from "../../src/WebSocketServer.ts"

/** A kind of server, by what it takes for a program. */
export type Variant<Program> = ServerVariants.Variant<
  Program,
  WebSocketServer.ServerOptions,
  Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
>

/** Every kind of server that takes the direct style. */
export const direct: ReadonlyArray<Variant<Handler<unknown>>> = [{ name: "fiber", layer: WebSocketServer.layer }]

/** Every kind of server that takes handlers, which all do. */
export const handled: ReadonlyArray<Variant<Handlers<unknown>>> = ServerVariants.handled(
  WebSocketServer.layer,
  WebSocketServer.layerQueue
)

/** Starts the server of a layer, which runs until the Scope closes. */
export const start = <E, R>(
  layer: Layer.Layer<WebSocketServer.WebSocketServer, E, R>
): Effect.Effect<WebSocketServer.WebSocketServer["Service"], E, R | Scope.Scope> =>
  Effect.map(Layer.build(layer), Context.get(WebSocketServer.WebSocketServer))
