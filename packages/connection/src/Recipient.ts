/**
 * What topics and broadcasts need of a connection: its sending end as plain calls, in place of an Effect for each
 * message. Whatever has a `Recipient` can subscribe to a topic; see `Fanout`.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { SendFailure, SendOptions } from "@effect-ws/protocol/Session"

/**
 * The key of a connection's {@link Recipient}.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const RecipientTypeId = "~@effect-ws/connection/Recipient"

/**
 * A connection that one message can be sent to together with many others.
 *
 * @category models
 * @since 0.1.0
 */
export interface FanoutTarget {
  readonly [RecipientTypeId]: Recipient
}

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
   * Whether no more than `writeHighWaterMark` bytes wait for the peer to read, and no other message is in the middle of
   * being sent. Bytes wait for the peer when the system has refused some; before that is known, up to
   * `maxBufferedBytes` may gather.
   */
  readonly isWritable: boolean
  /** Work on a message that is the same for many connections and not done yet: start it before sending. */
  readonly pendingPrepare: (message: PreparedMessage, options?: SendOptions) => AsyncTransform | undefined
  /** Sends, whether the connection is ready or not; `flushUnsafe` must follow in the same turn. */
  readonly sendUnsafe: (message: PreparedMessage, options?: SendOptions) => SendFailure | undefined
  /** Writes everything that was sent. */
  readonly flushUnsafe: () => void
  /** Calls `resume` once, when the connection may be writable or has closed. The returned function cancels that. */
  readonly onWritable: (resume: () => void) => () => void
  /** Calls `over` once, when the connection has closed. The returned function cancels that. */
  readonly onClosed: (over: () => void) => () => void
  /** Closes the connection at once, with an error of ours. */
  readonly failUnsafe: (error: CloseError.SendableCloseError) => void
}
