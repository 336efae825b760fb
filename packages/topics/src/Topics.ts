/**
 * Topics: connections subscribe to names, and a message published under a name is sent to all of its subscribers.
 *
 * A message is encoded once for all subscribers, and compressed once if their extensions can share the result. A slow
 * subscriber never delays the others. A connection is unsubscribed from its topics when it closes. Servers of both
 * kinds and clients' connections can share one service. `broadcast` of `WebSocketServer` sends to all connections of
 * one server.
 *
 * A program is the same with either Layer:
 *
 * - `layer` sends to the connections of this process and keeps nothing. The options of a subscription say what happens
 *   to the messages of a slow one, and dropped messages are counted. One turn of the event loop sends a bounded number
 * of
 *   messages, so that other work of the server runs in between.
 * - `layerLog` publishes to the `TopicLog`, and what it delivers is what the log has: on all nodes that share the log,
 *   in one order, to slow subscribers too.
 *
 * @since 0.1.0
 */
import type { FanoutTarget } from "@effect-ws/connection/Recipient"
import * as Fanout from "@effect-ws/connection/Fanout"
import { preparedAs } from "@effect-ws/connection/internal/preparedAs"
import type * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Argument from "@effect-ws/protocol/Argument"
import type * as Message from "@effect-ws/protocol/Message"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import type * as Publishing from "@effect-ws/server/Publishing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { LoggedTopics } from "./internal/LoggedTopics.ts"
import { TopicRegistry } from "./internal/TopicRegistry.ts"
import { TopicLog } from "./TopicLog.ts"
import type { After, Entry, Gap } from "./TopicLog.ts"
import type { LimitExceeded, LogUnavailable, OutcomeUnknown } from "./TopicLogError.ts"
import type { PublishOptions, PublishResult, Subscription, TopicsOptions } from "./internal/TopicsTypes.ts"

export type { PublishOptions, PublishResult, Subscription, TopicsOptions } from "./internal/TopicsTypes.ts"

/**
 * Options of a subscription. Those of slow subscribers are for topics without a log: with one, a slow subscriber reads
 * the log at its own pace.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions extends Publishing.SlowSubscriberOptions {
  /**
   * Where to begin: after a position, or with the oldest entry that the log keeps. It needs a log; without one it is a
   * defect. Default: with what is published from now on.
   */
  readonly after?: After | undefined
}

/**
 * Options of topics with a log.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoggedTopicsOptions {
  /** Maximum subscriptions of one connection. Default: 1024. */
  readonly maxSubscriptions?: number | undefined
  /**
   * What is sent for an entry, once for all subscribers: for example the data together with the position, so that a
   * client can name it as `after` later. Default: the data.
   */
  readonly encode?: ((entry: Entry) => string | Uint8Array) | undefined
  /**
   * What is sent to a subscriber in the place of entries that the log did not keep for it. They count in `dropped`,
   * where their number is known. Default: nothing.
   */
  readonly encodeGap?: ((topic: string, gap: Gap) => string | Uint8Array | undefined) | undefined
}

/**
 * The connection has the maximum number of subscriptions.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManySubscriptions extends Schema.TaggedError<TooManySubscriptions>(
  "@effect-ws/topics/TooManySubscriptions"
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
 * Why a connection was not subscribed, or a message not published. Without a log it is always `TooManySubscriptions`,
 * and publishing does not fail.
 *
 * @category errors
 * @since 0.1.0
 */
export type TopicsError = TooManySubscriptions | LogUnavailable | OutcomeUnknown | LimitExceeded

/**
 * Topics, with the ways in which subscribing and publishing can fail.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicsOf<SubscribeFailure, PublishFailure> {
  /**
   * Subscribes a connection to a topic, until it unsubscribes or closes. Options that are not given default to those
   * of the service. Subscribing again keeps queue and counts, and replaces the options.
   */
  readonly subscribe: (
    connection: FanoutTarget,
    topic: string,
    options?: SubscribeOptions
  ) => Effect.Effect<Subscription, SubscribeFailure>
  /** Ends a subscription and discards its queue. Returns whether there was one. */
  readonly unsubscribe: (connection: FanoutTarget, topic: string) => Effect.Effect<boolean>
  /**
   * Sends a message to all subscribers of a topic, and returns the counts of subscribers by outcome. With `as`, takes a
   * value of that Schema; fails with `SchemaError` where the Schema refuses it, and sends nothing then.
   *
   * **Details**
   *
   * Completes when all subscribers were served, those that the publisher waits for included. Each subscriber receives
   * the messages of a topic in the order in which they were published, and those of one publisher in order across
   * topics. With a log it completes when the log has the message, and fails as `append` of the log does; the order is
   * that of the topic's log.
   *
   * **Gotchas**
   *
   * Interruption withdraws the message from subscribers that the publisher waits for. All others still receive it. With
   * a log, `compress` is not used, and `except` holds for connections of this node.
   */
  readonly publish: {
    (
      topic: string,
      message: string | Uint8Array | Message.Message | PreparedMessage.PreparedMessage,
      options?: PublishOptions & { readonly as?: undefined }
    ): Effect.Effect<PublishResult, PublishFailure>
    <Send extends Schema.Constraint>(
      topic: string,
      value: NoInfer<Send["Type"]>,
      options: PublishOptions & TypedConnection.SentAs<Send>
    ): Effect.Effect<PublishResult, PublishFailure | Schema.SchemaError, Send["EncodingServices"]>
  }
  /** Returns the number of subscribers of a topic, on this node. */
  readonly subscribers: (topic: string) => Effect.Effect<number>
  /** Returns the topics that have subscribers, on this node. */
  readonly names: Effect.Effect<ReadonlyArray<string>>
  /** Returns the subscriptions of a connection, in the order in which they were made. */
  readonly subscriptions: (connection: FanoutTarget) => Effect.Effect<ReadonlyArray<Subscription>>
  /** Returns the number of messages dropped so far, over all subscribers of this node, past ones included. */
  readonly dropped: Effect.Effect<number>
}

/**
 * The topics of a program. Without a log `publish` does not fail; a program that handles its errors runs with and
 * without.
 *
 * @category services
 * @since 0.1.0
 */
export class Topics extends Context.Service<Topics, TopicsOf<TopicsError, TopicsError>>()("@effect-ws/topics/Topics") {}

type MaybeTyped = PublishOptions & {
  readonly as?: TypedConnection.SentAs<Schema.Constraint>["as"] | undefined
}

const bounded = (
  subscription: Subscription | undefined,
  topic: string,
  { maxSubscriptions }: { readonly maxSubscriptions: number }
): Effect.Effect<Subscription, TooManySubscriptions> =>
  subscription === undefined
    ? Effect.fail(new TooManySubscriptions({ topic, limit: maxSubscriptions }))
    : Effect.succeed(subscription)

/**
 * Creates topics without a log. When the Scope closes, all subscriptions end and waiting publishers resume. With
 * `Telemetry`, its metrics count what is published.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: TopicsOptions = {}
): Effect.Effect<TopicsOf<TooManySubscriptions, never>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.map(Fanout.counters("topic"), (counters) => new TopicRegistry(options, counters)),
      (book) => Effect.sync(() => book.close())
    ),
    (book) => ({
      subscribe: (connection, topic, options) =>
        Effect.suspend(() => {
          if (options?.after !== undefined) throw new TypeError("after needs topics with a log: use Topics.layerLog")
          return bounded(book.subscribe(Fanout.recipient(connection), topic, options), topic, book)
        }),
      unsubscribe: (connection, topic) => Effect.sync(() => book.unsubscribe(Fanout.recipient(connection), topic)),
      publish: (topic: string, message: unknown, options?: MaybeTyped) =>
        Effect.flatMap(preparedAs(message, options?.as), (prepared) =>
          book.publish(topic, prepared, options)
        ) as Effect.Effect<PublishResult>,
      subscribers: (topic) => Effect.sync(() => book.count(topic)),
      names: Effect.sync(() => book.names),
      subscriptions: (connection) => Effect.sync(() => book.subscriptions(Fanout.recipient(connection))),
      dropped: Effect.sync(() => book.dropped)
    })
  )

/**
 * Creates topics over the `TopicLog`. When the Scope closes, all subscriptions end.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeLog = (
  options: LoggedTopicsOptions = {}
): Effect.Effect<Topics["Service"], never, TopicLog | Scope.Scope> =>
  Effect.gen(function* () {
    const logged = new LoggedTopics(yield* TopicLog, yield* Effect.scope, yield* Fanout.counters("topic"), {
      maxSubscriptions: Argument.limit("maxSubscriptions", options.maxSubscriptions ?? 1024),
      encode: options.encode ?? (({ data }) => data),
      encodeGap: options.encodeGap ?? (() => undefined)
    })
    return Topics.of({
      subscribe: (connection, topic, options) =>
        Effect.flatMap(logged.subscribe(connection, topic, options?.after), (subscription) =>
          bounded(subscription, topic, logged)
        ),
      unsubscribe: (connection, topic) => logged.unsubscribe(connection, topic),
      publish: (topic: string, message: unknown, options?: MaybeTyped) =>
        (options?.as === undefined
          ? Effect.suspend(() => logged.publish(topic, PreparedMessage.contentOf(message as string), options))
          : Effect.flatMap(preparedAs(message, options.as), (prepared) =>
              logged.publish(topic, prepared, options)
            )) as ReturnType<typeof logged.publish>,
      subscribers: (topic) => Effect.sync(() => logged.count(topic)),
      names: Effect.sync(() => logged.names),
      subscriptions: (connection) => Effect.sync(() => logged.subscriptions(connection)),
      dropped: Effect.sync(() => logged.dropped)
    })
  })

/**
 * Provides topics without a log, within this process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: TopicsOptions): Layer.Layer<Topics> => Layer.effect(Topics, make(options))

/**
 * Provides topics over the `TopicLog`: over all nodes that share it, with history.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLog = (options?: LoggedTopicsOptions): Layer.Layer<Topics, never, TopicLog> =>
  Layer.effect(Topics, makeLog(options))
