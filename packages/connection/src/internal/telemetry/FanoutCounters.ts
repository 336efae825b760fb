/**
 * Counts of messages that are sent to many connections.
 */

/**
 * By which way a message goes to many.
 *
 * @category models
 * @since 0.1.0
 */
export type FanoutKind = "topic" | "broadcast"

/**
 * What became of a message: at how many connections it was delivered, waits, cost the connection, or came too late; and
 * how many messages, it or older ones, were dropped for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeliveryCounts {
  readonly delivered: number
  readonly queued: number
  readonly disconnected: number
  readonly closed: number
  readonly dropped: number
}

/**
 * Keeps the metrics of messages that go to many.
 *
 * @category models
 * @since 0.1.0
 */
export interface FanoutCounters {
  /** Counts a message of which everything is known. */
  readonly add: (outcome: DeliveryCounts) => void
  /** Counts subscriptions that were made, or, below zero, that ended. */
  readonly subscribed: (change: number) => void
}
