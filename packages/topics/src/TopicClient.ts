/**
 * A client of topics that survives its connections: it connects again by the rules of `Reconnect`, subscribes again after
 * the position that it has, and publishes again what was not acknowledged, under the same id.
 *
 * To the program a topic is one Stream of entries and gaps, whatever the network does, and a publish is one Effect that
 * succeeds when the entry is in the log.
 *
 * @since 0.1.0
 */
import type { ClientOptions } from "@effect-ws/client/Client"
import * as Reconnect from "@effect-ws/client/Reconnect"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { TopicConnection } from "./internal/TopicConnection.ts"
import type { After, Appended, Page, TopicItem } from "./TopicLog.ts"
import type { ClientClosed, RequestFailed, SubscriptionEnded } from "./TopicClientError.ts"
import type { LogUnavailable, OutcomeUnknown } from "./TopicLogError.ts"
import { subprotocol } from "./TopicProtocol.ts"
import type { Denied } from "./TopicProtocol.ts"

/**
 * Why a subscription ended.
 *
 * @category errors
 * @since 0.1.0
 */
export type SubscribeError = Denied | RequestFailed | SubscriptionEnded | ClientClosed

/**
 * Why a publish failed.
 *
 * **Details**
 *
 * `LogUnavailable`: it was never sent, or the server said that nothing was written. `OutcomeUnknown`: it was sent and not
 * answered; publish again with the same id within the server's idempotence window to know.
 *
 * @category errors
 * @since 0.1.0
 */
export type PublishError = Denied | RequestFailed | LogUnavailable | OutcomeUnknown | ClientClosed

/**
 * What a topic client may be told about topics.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicOptions {
  /** How many items of a subscription may wait here for the program. Default: 256. */
  readonly window?: number | undefined
  /**
   * How long a publish waits for its answer, over all connections, before it fails. Values near or above the server's
   * `idWindow` have no effect: a publish is not sent again after three quarters of that. Default: 30 seconds.
   */
  readonly publishTimeout?: Duration.Input | undefined
  /** How long to wait before a request is sent again that the server could not serve. Default: 500 ms. */
  readonly retryDelay?: Duration.Input | undefined
  /** Maximum publishes without an answer; more wait. Default: 1024. */
  readonly maxPendingPublishes?: number | undefined
  /** Events that wait for the program; the oldest are dropped beyond it. Default: 256. */
  readonly eventBuffer?: number | undefined
}

/**
 * What a topic client may be told, beside what `Reconnect` may.
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
 * A client of topics. `Event` is what happens to its connections.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicClient<E = never, Event = Reconnect.Event<E>> {
  /**
   * Subscribes to a topic: to what comes from now on, or after a position. Ends when the Stream does.
   *
   * **Gotchas**
   *
   * A client has one subscription to a topic at a time: a second one fails with `AlreadySubscribed`.
   */
  readonly subscribe: (
    topic: string,
    options?: { readonly after?: After | undefined }
  ) => Stream.Stream<TopicItem, SubscribeError>
  /**
   * Publishes an entry and waits until it is in the log. After a lost connection it is sent again under the same id, and
   * appended once.
   */
  readonly publish: (
    topic: string,
    data: string | Uint8Array,
    options?: { readonly id?: string | undefined }
  ) => Effect.Effect<Appended, PublishError>
  /** Reads a page of a topic's log. */
  readonly history: (
    topic: string,
    after: After,
    options?: { readonly maxEntries?: number | undefined }
  ) => Effect.Effect<Omit<Page, "head">, PublishError>
  /** What happens to the connection, for one reader. */
  readonly events: Stream.Stream<Event>
  /** Closes the connection and connects no more. */
  readonly close: Effect.Effect<void>
}

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
