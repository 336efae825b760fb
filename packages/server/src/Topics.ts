/**
 * Topics: connections subscribe to names, and a message published under a name is sent to all of its subscribers.
 *
 * A message is encoded once for all subscribers, and compressed once if their extensions can share the result. A slow
 * subscriber never delays the others: the options of its subscription say what happens to its messages, and dropped
 * messages are counted. One turn of the event loop sends a bounded number of messages, so that other work of the server
 * runs in between. A connection is unsubscribed from its topics when it closes.
 *
 * Servers of both kinds and clients' connections can share one service. `broadcast` of `WebSocketServer` sends to all
 * connections of one server.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Fanout from "@effect-ws/connection/Fanout"
import type * as Message from "@effect-ws/protocol/Message"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TopicRegistry } from "./internal/TopicRegistry.ts"

/**
 * Options for a subscriber that is behind, that is, has more than `writeHighWaterMark` bytes in its connection's write
 * buffer.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowSubscriberOptions {
  /**
   * Action when the subscriber's queue is full. Default: "dropOldest".
   *
   * - `dropOldest`: drops the oldest queued messages and counts them.
   * - `disconnect`: closes the connection with 1013, try again later.
   * - `wait`: queues nothing; the publisher waits for the subscriber, after all others were served. Loses nothing, but
   *   publishers become as slow as the slowest subscriber.
   */
  readonly onSlowSubscriber?: "dropOldest" | "disconnect" | "wait" | undefined
  /** Maximum queued messages. Not used by `wait`. Default: 256. */
  readonly maxQueuedMessages?: number | undefined
  /**
   * Maximum bytes of queued messages. A message longer than this is dropped at once. Queues share the bytes of a
   * message. Not used by `wait`. Default: 1 MiB.
   */
  readonly maxQueuedBytes?: number | undefined
  /** Time that `wait` waits for the subscriber before it closes the connection with 1013. Default: 10 seconds. */
  readonly backpressureTimeout?: Duration.Input | undefined
}

/**
 * Options of one message.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** Whether to compress the message, if the connection has such an extension. Default: the extension decides. */
  readonly compress?: boolean | undefined
  /** A connection to skip, such as the sender of the message. Default: none. */
  readonly except?: Connection | undefined
}

/**
 * The outcome of one message. Each subscriber counts once in `delivered`, `queued`, `disconnected` or `closed`, except
 * one for which the message was dropped because it is longer than `maxQueuedBytes`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishResult {
  /** Subscribers at the time of publishing that were still subscribed at their turn. */
  readonly subscribers: number
  /** Subscribers whose connections took the message, after waiting or not. It may still be lost on the network. */
  readonly delivered: number
  /**
   * Subscribers that are behind and have the message in their queue. A message dropped later counts in
   * `Subscription.dropped`.
   */
  readonly queued: number
  /** Messages dropped to make room for this one, or this one itself. */
  readonly dropped: number
  /** Subscribers that were disconnected with 1013 because of the message. */
  readonly disconnected: number
  /** Subscribers whose connections were closing, or that left while the publisher waited for them. */
  readonly closed: number
}

/**
 * A subscription of a connection to a topic. Its figures are current at each read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription {
  readonly topic: string
  /** Whether the subscription receives messages: it has not ended and its connection is open. */
  readonly isActive: boolean
  /** Number of messages dropped because the subscriber was behind. */
  readonly dropped: number
  /** Number of messages in the subscriber's queue now. */
  readonly queued: number
}

/**
 * Options of the topics service; those of slow subscribers are the defaults of `subscribe`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicsOptions extends SlowSubscriberOptions {
  /**
   * Maximum messages sent in one turn of the event loop, over all topics and publishers. Default: 512, which takes a
   * few milliseconds.
   */
  readonly batchSize?: number | undefined
  /** Maximum subscriptions of one connection. Default: 1024. */
  readonly maxSubscriptions?: number | undefined
}

/**
 * The connection has the maximum number of subscriptions.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManySubscriptions extends Schema.TaggedError<TooManySubscriptions>(
  "@effect-ws/server/TooManySubscriptions"
)("TooManySubscriptions", {
  /** The topic of the rejected subscription. */
  topic: Schema.String,
  /** The maximum: `maxSubscriptions`. */
  limit: Schema.Number
}) {
  override get message(): string {
    return `cannot subscribe to ${JSON.stringify(this.topic)}: the connection has ${this.limit} subscriptions (maxSubscriptions)`
  }
}

/**
 * The topics of a program.
 *
 * @category services
 * @since 0.1.0
 */
export class Topics extends Context.Service<
  Topics,
  {
    /**
     * Subscribes a connection to a topic, until it unsubscribes or closes. Options that are not given default to those
     * of the service. Subscribing again keeps queue and counts, and replaces the options.
     */
    readonly subscribe: (
      connection: Connection,
      topic: string,
      options?: SlowSubscriberOptions
    ) => Effect.Effect<Subscription, TooManySubscriptions>
    /** Ends a subscription and discards its queue. Returns whether there was one. */
    readonly unsubscribe: (connection: Connection, topic: string) => Effect.Effect<boolean>
    /**
     * Sends a message to all subscribers of a topic, and returns the counts of subscribers by outcome.
     *
     * **Details**
     *
     * Completes when all subscribers were served, those that the publisher waits for included. Each subscriber receives
     * the messages of a topic in the order in which they were published, and those of one publisher in order across
     * topics.
     *
     * **Gotchas**
     *
     * Interruption withdraws the message from subscribers that the publisher waits for. All others still receive it.
     */
    readonly publish: (
      topic: string,
      message: string | Uint8Array | Message.Message | PreparedMessage.PreparedMessage,
      options?: PublishOptions
    ) => Effect.Effect<PublishResult>
    /** Returns the number of subscribers of a topic. */
    readonly subscribers: (topic: string) => Effect.Effect<number>
    /** Returns the topics that have subscribers. */
    readonly names: Effect.Effect<ReadonlyArray<string>>
    /** Returns the subscriptions of a connection, in the order in which they were made. */
    readonly subscriptions: (connection: Connection) => Effect.Effect<ReadonlyArray<Subscription>>
    /** Returns the number of messages dropped so far, over all subscribers, past ones included. */
    readonly dropped: Effect.Effect<number>
  }
>()("@effect-ws/server/Topics") {}

/**
 * Creates topics. When the Scope closes, all subscriptions end and waiting publishers resume. With `Telemetry`, its
 * metrics count what is published.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: TopicsOptions = {}): Effect.Effect<Topics["Service"], never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.map(Fanout.counters("topic"), (tally) => new TopicRegistry(options, tally)),
      (book) => Effect.sync(() => book.close())
    ),
    (book) =>
      Topics.of({
        subscribe: (connection, topic, options) =>
          Effect.suspend(() => {
            const subscription = book.subscribe(Fanout.recipient(connection), topic, options)
            return subscription === undefined
              ? Effect.fail(new TooManySubscriptions({ topic, limit: book.maxSubscriptions }))
              : Effect.succeed(subscription)
          }),
        unsubscribe: (connection, topic) => Effect.sync(() => book.unsubscribe(Fanout.recipient(connection), topic)),
        publish: (topic, message, options) =>
          Effect.suspend(() => book.publish(topic, PreparedMessage.make(message), options)),
        subscribers: (topic) => Effect.sync(() => book.count(topic)),
        names: Effect.sync(() => book.names),
        subscriptions: (connection) => Effect.sync(() => book.subscriptions(Fanout.recipient(connection))),
        dropped: Effect.sync(() => book.dropped)
      })
  )

/**
 * Provides topics.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: TopicsOptions): Layer.Layer<Topics> => Layer.effect(Topics, make(options))
