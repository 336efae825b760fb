/**
 * For those who send one message to many connections: plain calls in place of an Effect for each.
 *
 * This is what topics and broadcasts are made of. Nothing here waits: whoever calls asks first whether a connection
 * takes more, and is called back when one that did not does again. A message that was prepared is encoded once, whatever
 * the number of connections.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { SendFailure, SendOptions } from "@effect-ws/protocol/Session"
import * as Effect from "effect/Effect"
import type { Connection } from "./Connection.ts"
import { ConnectionImpl } from "./internal/ConnectionImpl.ts"
import { Telemetry } from "./Telemetry.ts"

/**
 * The sending end of a connection, for a caller that does not wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recipient {
  /** Whether the connection is open for sending: neither end has begun to close it. */
  readonly canSend: boolean
  /** Whether nothing more can happen on it: `onClosed` would never be called. */
  readonly isClosed: boolean
  /**
   * Whether no more than `writeHighWaterMark` bytes wait for the peer to read, and no other message is in the middle of being
   * sent. Bytes wait for the peer when the system has refused some; before that is known, up to `maxBufferedBytes` may gather.
   */
  readonly isWritable: boolean
  /** Work on a message that is the same for many connections and not done yet: start it before sending. */
  readonly pendingPrepare: (message: PreparedMessage, options?: SendOptions) => AsyncTransform | undefined
  /** Sends, whether the connection is ready or not; `flushUnsafe` must follow in the same turn. */
  readonly sendUnsafe: (message: PreparedMessage, options?: SendOptions) => SendFailure | undefined
  /** Writes everything that was sent. */
  readonly flushUnsafe: () => void
  /** Calls back once, when the connection may be ready or is over; the result takes that back. */
  readonly onWritable: (resume: () => void) => () => void
  /** Calls back once, when the connection is over; the result takes that back. */
  readonly onClosed: (over: () => void) => () => void
  /** Closes the connection at once, with an error of ours. */
  readonly failUnsafe: (error: CloseError.SendableCloseError) => void
}

/**
 * Returns the sending end of a connection.
 *
 * **Gotchas**
 *
 * Not from within a callback of the connection's transport, where it writes by itself. Callbacks must not throw.
 *
 * @category conversions
 * @since 0.1.0
 */
export const recipient = (connection: Connection): Recipient => {
  if (!(connection instanceof ConnectionImpl)) {
    throw new Error("only a connection that Accept or Connect made can be sent to in this way")
  }
  return connection.sender
}

/**
 * By which way a message goes to many.
 *
 * @category models
 * @since 0.1.0
 */
export type FanoutKind = "topic" | "broadcast"

/**
 * What became of a message: at how many connections it was delivered, waits, cost the connection, or came too late; and
 * how many messages, it or older ones, were given up for it.
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

/**
 * Gives what keeps the metrics of the context's `Telemetry`, or `undefined` where nobody wants any.
 *
 * @category constructors
 * @since 0.1.0
 */
export const counters = (source: FanoutKind): Effect.Effect<FanoutCounters | undefined> =>
  Effect.map(Telemetry, (observer) => observer?.published(source))
