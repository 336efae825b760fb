/**
 * Effect's service `WebSocketConstructor`, provided by this client. `Socket.makeWebSocket`, `Socket.layerWebSocket` and
 * what is built on them then connect with this client's network, proxies, extensions and limits.
 *
 * Prefer `ClientSocket` in a program that does not need that service: it reports why there is no connection.
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
 * The objects are those of the standard's class, with `pause`, `resume` and `isPaused` added. Effect's sockets use
 * these where they exist, so that a program that does not pull slows the server down instead of filling memory. Headers
 * are supported. When the Scope of the Layer closes, open objects close with 1001.
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
 * Provides Effect's `WebSocketConstructor` over TCP and TLS, with permessage-deflate.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNode = (options?: WebSocketClass.Options): Layer.Layer<Socket.WebSocketConstructor, ConfigError> =>
  Layer.provide(layer(options), [Client.layerDialer(), PermessageDeflate.layer()])
