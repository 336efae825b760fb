/**
 * The options of a subscription's queue, with their defaults filled in.
 */

/** The options with their defaults filled in. */
export interface SubscriberQueueOptions {
  readonly onSlowSubscriber: "wait" | "dropOldest" | "disconnect"
  readonly maxMessages: number
  readonly maxBytes: number
  readonly waitMillis: number
}
