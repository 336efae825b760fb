/**
 * A client of topics that survives its connections: it connects again by the rules of `Reconnect`, subscribes again
 * after the position that it has, and publishes again what was not acknowledged, under the same id.
 *
 * To the program a topic is one Stream of entries and gaps, whatever the network does, and a publish is one Effect that
 * succeeds when the entry is in the log.
 *
 * @since 0.1.0
 */
import type { ClientOptions } from "@effect-ws/client/Client"
import * as Reconnect from "@effect-ws/client/Reconnect"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TopicConnection } from "./internal/TopicConnection.ts"
import { subprotocol } from "./TopicProtocol.ts"
import type { TopicClient, TopicOptions } from "./internal/TopicClientTypes.ts"

export type { PublishError, SubscribeError, TopicClient, TopicOptions } from "./internal/TopicClientTypes.ts"

/**
 * Options of a topic client, in addition to those of `Reconnect`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicClientOptions<E = never, R = never, ES = never, RS = never>
  extends
    TopicOptions,
    Omit<
      Reconnect.ReconnectOptions<E, R, ES, RS>,
      "eventBuffer" | "whenDisconnected" | "maxPendingMessages" | "maxPendingBytes"
    > {}

/**
 * Starts a client of topics.
 *
 * **Details**
 *
 * It begins to connect at once and does not wait for it. The Scope holds it.
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
): Effect.Effect<TopicClient<E | ES>, never, Dialer | Scope.Scope | R | RS> => {
  const { options: connect = {} } = options
  const withSubprotocol = (given: ClientOptions): ClientOptions => ({ ...given, subprotocols: [subprotocol] })
  return TopicConnection.start(
    Reconnect.make<E, R, ES, RS>({
      ...options,
      options: Effect.isEffect(connect) ? Effect.map(connect, withSubprotocol) : withSubprotocol(connect),
      whenDisconnected: "fail"
    }),
    (connection, reason) => connection.abort(reason),
    options
  )
}
