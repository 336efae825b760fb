/**
 * Effect's own service for making WebSockets, provided by this client: `Socket.makeWebSocket`, `Socket.layerWebSocket`
 * and what is built on them then connect through it, with its network, proxies, extensions and limits.
 *
 * A program that is not tied to that service is better off with `ClientSocket`, which says why there is no connection.
 *
 * @since 0.1.0
 */
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type { ConfigError } from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"
import * as Client from "./Client.ts"
import { engineOf } from "./internal/WebSocketImpl.ts"
import * as WebSocketClass from "./WebSocketClass.ts"

/**
 * Provides Effect's `WebSocketConstructor`.
 *
 * **Details**
 *
 * The objects are those of the standard's class, with `pause`, `resume` and `isPaused` beside it, which Effect's sockets
 * use where they find them: a program that does not pull slows the server down, in place of filling memory. Headers are
 * supported. When the Scope of the Layer closes, what is open is closed with 1001.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: WebSocketClass.Options): Layer.Layer<Socket.WebSocketConstructor, never, Dialer> =>
  Layer.effect(
    Socket.WebSocketConstructor,
    Effect.map(WebSocketClass.make(options), (Class) => {
      class PausableWebSocket extends Class {
        pause(): void {
          engineOf(this).pause()
        }
        resume(): void {
          engineOf(this).resume()
        }
        get isPaused(): boolean {
          return engineOf(this).isPaused
        }
      }
      return (url, protocols) => new PausableWebSocket(url, protocols)
    })
  )

/**
 * Provides Effect's `WebSocketConstructor` over the usual network, with permessage-deflate.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNode = (options?: WebSocketClass.Options): Layer.Layer<Socket.WebSocketConstructor, ConfigError> =>
  Layer.provide(layer(options), [Client.layerDialer(), PermessageDeflate.layer()])
