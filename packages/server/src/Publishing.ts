/**
 * What sending one message to many connections takes and gives: the options for subscribers that are behind, and the
 * counts of what became of the message. `broadcast` of `WebSocketServer` and `Topics` share them.
 *
 * @since 0.1.0
 */
import type { FanoutTarget } from "@effect-ws/connection/Recipient"
import type * as Duration from "effect/Duration"

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
  readonly except?: FanoutTarget | undefined
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
