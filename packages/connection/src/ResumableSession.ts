/**
 * Typed messages that survive the loss of a connection: both ends number what they send, keep it until the other end
 * has acknowledged it, and send it again on the next connection. What was received twice is dropped, so each message
 * reaches the program once and in order; where that cannot be promised, the sender learns that the outcome is unknown.
 *
 * A session begins with the first connection and outlives it. `ResumableClient` connects again for it, and
 * `ResumableServer` keeps it for a while without a connection. Both are in memory: a server that restarts has lost its
 * sessions, which its clients learn.
 *
 * For requests with answers use Effect RPC; for many readers with history use topics.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { MessageCodec } from "./MessageCodec.ts"

/**
 * A message was not sent, and never will be: the session has too many unacknowledged messages or bytes (`Full`), there
 * was no connection within `ackTimeout` (`Timeout`), or the session is over (`Closed`).
 *
 * @category errors
 * @since 0.1.0
 */
export class NotSent extends Schema.TaggedError<NotSent>("@effect-ws/connection/NotSent")("NotSent", {
  reason: Schema.Literals(["Full", "Timeout", "Closed"])
}) {
  override get message(): string {
    return `the message was not sent: ${notSent[this.reason]}`
  }
}

const notSent = {
  Full: "maxPendingMessages or maxPendingBytes is reached",
  Timeout: "there was no connection within ackTimeout",
  Closed: "the session is over"
} as const

/**
 * A message was written to a connection and not acknowledged: it may have reached the other program or not. Nothing
 * came within `ackTimeout` (`Timeout`), the server has lost the session (`SessionLost`), or the session is over
 * (`Closed`).
 *
 * @category errors
 * @since 0.1.0
 */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>("@effect-ws/connection/OutcomeUnknown")(
  "OutcomeUnknown",
  { reason: Schema.Literals(["Timeout", "SessionLost", "Closed"]) }
) {
  override get message(): string {
    return `the message may have arrived or not: ${unknown[this.reason]}`
  }
}

const unknown = {
  Timeout: "it was not acknowledged within ackTimeout",
  SessionLost: "the server has lost the session",
  Closed: "the session ended first"
} as const

/**
 * A server's session had no connection for `sessionTimeout`.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionExpired extends Schema.TaggedError<SessionExpired>("@effect-ws/connection/SessionExpired")(
  "SessionExpired",
  {}
) {
  override get message(): string {
    return "the session had no connection for sessionTimeout"
  }
}

/**
 * What one end of a session receives and sends, and how much it keeps.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionOptions<Receive extends Schema.Constraint, Send extends Schema.Constraint> {
  /** The Schema of what arrives. */
  readonly receive: Receive
  /** The Schema of what is sent. */
  readonly send: Send
  /** How values become messages; the same at both ends. Default: `MessageCodec.json`. */
  readonly codec?: MessageCodec<unknown> | undefined
  /** Maximum messages that are not acknowledged; more fail with `Full`. Default: 256. */
  readonly maxPendingMessages?: number | undefined
  /** Maximum bytes of messages that are not acknowledged; more fail with `Full`. Default: 1 MiB. */
  readonly maxPendingBytes?: number | undefined
  /**
   * Maximum messages that wait for the program. They are acknowledged when the program takes them, so a peer whose
   * `maxPendingMessages` is no larger never exceeds it; one that does is closed with 1008. Default: 1024.
   */
  readonly receiveQueueSize?: number | undefined
  /**
   * How long `send` waits for the acknowledgement, connections that are lost meanwhile included. Default: 30 seconds.
   */
  readonly ackTimeout?: Duration.Input | undefined
  /** How long the other end may take to begin the session on a new connection. Default: 10 seconds. */
  readonly helloTimeout?: Duration.Input | undefined
}

/**
 * One end of a session. `E` is how it fails.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResumableSession<out In, in Out, out E> {
  /** Names the session. A client that knows it can take the session over, so treat it as a secret. */
  readonly id: string
  /**
   * The values that the other end sends, over all connections, each once and in order. A value is acknowledged when it
   * is taken from here. Ends when either end ends the session.
   */
  readonly messages: Stream.Stream<In, E>
  /**
   * Sends a value and waits until the program at the other end has taken it. Fork it to send without waiting.
   *
   * **Details**
   *
   * Values reach the other end in the order in which they were sent. Interrupting it takes the value back where it was
   * not written to a connection yet.
   */
  readonly send: (value: Out) => Effect.Effect<void, Schema.SchemaError | NotSent | OutcomeUnknown>
  /** How many values are not acknowledged. */
  readonly pending: number
  /** Whether there is a connection now. */
  readonly isConnected: boolean
  /** Ends the session, at the other end too. What is not acknowledged has an unknown outcome. */
  readonly close: Effect.Effect<void>
}
