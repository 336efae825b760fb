/**
 * Topics: connections subscribe to names, and what is published under a name is sent to all of them.
 *
 * A message is encoded, and compressed where that can be shared, once for all subscribers. A subscriber that does not
 * read never holds up the others: what happens to its messages is its subscription's choice, and whatever is given up is
 * counted. However many subscribers there are, a turn of the event loop sends to a bounded number of them, and whatever
 * else a server does has its turn in between. A connection leaves its topics when it closes.
 *
 * One service may be used by several servers, of either kind, and by clients' connections too. For all connections of
 * one server there is `broadcast` of `WebSocketServer`.
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
 * What becomes of messages for a subscriber that is behind: more than the connection's `writeHighWaterMark` waits for it to
 * read.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowSubscriberOptions {
  /**
   * What to do when the messages that wait exceed what may wait. Default: "dropOldest".
   *
   * - `dropOldest`: the oldest of them are given up and counted.
   * - `disconnect`: the connection is closed with 1013, try again later.
   * - `wait`: nothing may wait, the publisher does, after everyone else was served. Nothing is lost, and a program should
   *   publish no faster than its slowest subscriber reads.
   */
  readonly onSlowSubscriber?: "dropOldest" | "disconnect" | "wait" | undefined
  /** The most messages that wait for the subscriber. Not used by `wait`. Default: 256. */
  readonly maxQueuedMessages?: number | undefined
  /**
   * The most bytes of messages that wait for the subscriber. A longer message is dropped as it comes. Memory is shared:
   * a message that waits for many is there once. Not used by `wait`. Default: 1 MiB.
   */
  readonly maxQueuedBytes?: number | undefined
  /** With `wait`: how long a publisher waits before the connection is closed with 1013. Default: 10 seconds. */
  readonly backpressureTimeout?: Duration.Input | undefined
}

/**
 * What may be said of one message.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions {
  /** Whether to compress, where an extension can. Default: as the extension decides. */
  readonly compress?: boolean | undefined
  /** A connection that is left out, such as the one that the message came from. Default: none. */
  readonly except?: Connection | undefined
}

/**
 * What became of a message. Each subscriber is counted once in `delivered`, `queued`, `disconnected` or `closed`; but for
 * one to which the message itself was dropped, being longer than all that may wait there.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishResult {
  /** Those it was for: who subscribed before it was published, and had not left when it was their turn. */
  readonly subscribers: number
  /** Those whose connections have it, waited for or not. It is on its way, which is no promise that it arrives. */
  readonly delivered: number
  /** Those that are behind, where it waits. It may be dropped later, and is counted then. */
  readonly queued: number
  /** The messages that were given up for it, be it older ones or itself. */
  readonly dropped: number
  /** Those that were closed with 1013 because of it. */
  readonly disconnected: number
  /** Those whose connections were closing, or left while they were waited for. */
  readonly closed: number
}

/**
 * A connection's subscription to a topic. Its figures are those of the moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription {
  readonly topic: string
  /** Whether it still gets messages: neither was it given up, nor is the connection over. */
  readonly isActive: boolean
  /** How many messages were given up because the subscriber was behind. */
  readonly dropped: number
  /** How many messages wait for the subscriber now, in its queue. */
  readonly queued: number
}

/**
 * What the topics may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicsOptions extends SlowSubscriberOptions {
  /**
   * How many messages are sent in one turn of the event loop, whatever the number of topics and publishers. Default: 512,
   * which is a few milliseconds.
   */
  readonly batchSize?: number | undefined
  /** The most topics that a connection may be subscribed to. Default: 1024. */
  readonly maxSubscriptions?: number | undefined
}

/**
 * A connection is subscribed to as many topics as it may be.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManySubscriptions extends Schema.TaggedError<TooManySubscriptions>(
  "@effect-ws/server/TooManySubscriptions"
)("TooManySubscriptions", {
  /** The topic that was asked for. */
  topic: Schema.String,
  /** The most that there may be. */
  limit: Schema.Number
}) {
  override get message(): string {
    return `no subscription to ${JSON.stringify(this.topic)}: the connection has ${this.limit}, the most it may have`
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
     * Subscribes a connection to a topic, until it unsubscribes or is over. What is not said in the options is as the
     * service was told. Subscribing again keeps the place and its counts, and changes the options.
     */
    readonly subscribe: (
      connection: Connection,
      topic: string,
      options?: SlowSubscriberOptions
    ) => Effect.Effect<Subscription, TooManySubscriptions>
    /** Ends a subscription; what waits for it is not sent any more. Gives whether there was one. */
    readonly unsubscribe: (connection: Connection, topic: string) => Effect.Effect<boolean>
    /**
     * Sends a message to all subscribers of a topic, and tells what became of it.
     *
     * **Details**
     *
     * Completes when everyone was served and those that are waited for have it. The messages of a topic reach each
     * subscriber in the order in which they were published, and those of one publisher also across topics.
     *
     * **Gotchas**
     *
     * Interrupting it takes the message back from those that are waited for; that all others get it remains.
     */
    readonly publish: (
      topic: string,
      message: string | Uint8Array | Message.Message | PreparedMessage.PreparedMessage,
      options?: PublishOptions
    ) => Effect.Effect<PublishResult>
    /** How many connections are subscribed to a topic. */
    readonly subscribers: (topic: string) => Effect.Effect<number>
    /** The topics that have subscribers. */
    readonly names: Effect.Effect<ReadonlyArray<string>>
    /** The subscriptions of a connection, in the order in which they were made. */
    readonly subscriptions: (connection: Connection) => Effect.Effect<ReadonlyArray<Subscription>>
    /** How many messages were given up so far, over all subscribers, those included that have left. */
    readonly dropped: Effect.Effect<number>
  }
>()("@effect-ws/server/Topics") {}

/**
 * Creates topics. When the Scope closes, all subscriptions end and publishers go on. Under `Telemetry` what is published
 * shows in its metrics.
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
