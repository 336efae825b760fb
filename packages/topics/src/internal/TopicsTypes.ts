/**
 * The options and results of publishing: the types of `Topics`, for the code that publishes.
 */
import type * as Publishing from "@effect-ws/server/Publishing"
import type * as Position from "../Position.ts"

/**
 * Options of one message.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishOptions extends Publishing.PublishOptions {
  /**
   * Identifies the message for the log's `idWindow`: publishing it again gives the first position and sends nothing.
   * Not used without a log. Default: a random id.
   */
  readonly id?: string | undefined
}

/**
 * The outcome of one message. With a log, the subscribers on this node count as `queued`: the log is their queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface PublishResult extends Publishing.PublishResult {
  /** The position of the message in the log. Absent without a log. */
  readonly position?: Position.Position
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
  /** Number of messages dropped because the subscriber was behind; with a log, of entries that it did not keep. */
  readonly dropped: number
  /**
   * Number of messages in the subscriber's queue now; with a log, of entries that were read for it and not sent yet.
   */
  readonly queued: number
}

/**
 * Options of topics without a log; those of slow subscribers are the defaults of `subscribe`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicsOptions extends Publishing.SlowSubscriberOptions {
  /**
   * Maximum messages sent in one turn of the event loop, over all topics and publishers. Default: 512, which takes a
   * few milliseconds.
   */
  readonly batchSize?: number | undefined
  /** Maximum subscriptions of one connection. Default: 1024. */
  readonly maxSubscriptions?: number | undefined
}
