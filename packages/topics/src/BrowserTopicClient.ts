/**
 * The client of topics in a page: the same as `TopicClient`, over the browser's own `WebSocket`. No module that it
 * imports needs Node. `effect-ws/browser` has it as `TopicClient`.
 *
 * @since 0.1.0
 */
import type { BrowserClientOptions } from "@effect-ws/browser/BrowserClient"
import * as Reconnect from "@effect-ws/browser/Reconnect"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TopicConnection } from "./internal/TopicConnection.ts"
import type * as Topics from "./TopicClient.ts"
import { subprotocol } from "./TopicProtocol.ts"

/**
 * Options of a topic client in a page, in addition to those of its `Reconnect`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicClientOptions<E = never, R = never, ES = never, RS = never>
  extends
    Topics.TopicOptions,
    Omit<
      Reconnect.ReconnectOptions<E, R, ES, RS>,
      "eventBuffer" | "whenDisconnected" | "maxPendingMessages" | "maxPendingBytes"
    > {}

/**
 * A client of topics in a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicClient<E = never> extends Topics.TopicClient<E, Reconnect.Event<E>> {}

/**
 * Starts a client of topics.
 *
 * **Details**
 *
 * It begins to connect at once and does not wait for it. The Scope holds it. A server that does not answer for twice
 * its heartbeat is taken for gone: the connection is closed with 3008, and the client connects again.
 *
 * **Example** (Following a room across reconnects)
 *
 * ```ts skip-type-checking
 * Effect.gen(function* () {
 *   const client = yield* TopicClient.make({ url: "wss://example/topics" })
 *   yield* client.publish("room", "hello")
 *   yield* Stream.runForEach(client.subscribe("room", { after: "oldest" }), Console.log)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = never, R = never, ES = never, RS = never>(
  options: TopicClientOptions<E, R, ES, RS>
): Effect.Effect<TopicClient<E | ES>, never, Scope.Scope | R | RS> => {
  const { options: connect = {} } = options
  const withSubprotocol = (given: BrowserClientOptions): BrowserClientOptions => ({
    ...given,
    subprotocols: [subprotocol]
  })
  return TopicConnection.start(
    Reconnect.make<E, R, ES, RS>({
      ...options,
      options: Effect.isEffect(connect) ? Effect.map(connect, withSubprotocol) : withSubprotocol(connect),
      whenDisconnected: "fail"
    }),
    (connection, reason) => connection.close(3008, reason),
    options
  )
}
