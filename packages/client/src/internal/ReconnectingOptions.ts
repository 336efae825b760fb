/**
 * The interface of a client that connects again, apart from its implementation.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import type { SendOptions } from "@effect-ws/protocol/Session"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Stream from "effect/Stream"
import type { SendRejected } from "../SendRejected.ts"

/**
 * What a reconnecting client needs of a connection. `Connection` has it, and so has a connection in a browser.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectableConnection {
  readonly messages: Stream.Stream<Message, CloseError.CloseError>
  readonly send: (data: string | Uint8Array, options?: SendOptions) => Effect.Effect<unknown, unknown>
  // A method, so that a connection whose close codes are fewer fits.
  close(code?: number, reason?: string): Effect.Effect<{ readonly error: CloseError.CloseError }, unknown>
  readonly closed: Effect.Effect<{ readonly error: CloseError.CloseError }>
}

/**
 * The events of a reconnecting client.
 *
 * **Details**
 *
 * - `Connecting`: an attempt starts. The first attempt after an open connection has number 1.
 * - `Open`: the attempt succeeded.
 * - `Failed`: the attempt failed. The next one starts after `retryIn`; `undefined` means that there is none.
 * - `Closed`: an open connection closed, with its `closeInfo`. `retryIn` is as above.
 * - `Dropped`: queued messages that the client will not send again. `Lost`: the connection broke before a proof that
 *   they arrived; they may have arrived. `Closed`: the client closed before it sent them. `Refused`: the program was in
 *   the middle of a message that it sends frame by frame.
 * - `RetriesExhausted`: `while` or the Schedule stopped the retries. This is the last event.
 * - `Stopped`: the program closed the client or its Scope. This is the last event.
 *
 * @category models
 * @since 0.1.0
 */
export type ReconnectEvent<C extends ReconnectableConnection, E> =
  | { readonly _tag: "Connecting"; readonly attempt: number }
  | { readonly _tag: "Open"; readonly attempt: number; readonly connection: C }
  | {
      readonly _tag: "Failed"
      readonly attempt: number
      readonly error: E
      readonly retryIn: Duration.Duration | undefined
    }
  | {
      readonly _tag: "Closed"
      readonly closeInfo: Effect.Success<C["closed"]>
      readonly retryIn: Duration.Duration | undefined
    }
  | {
      readonly _tag: "Dropped"
      readonly messages: ReadonlyArray<string | Uint8Array>
      readonly reason: "Lost" | "Refused" | "Closed"
    }
  | { readonly _tag: "RetriesExhausted"; readonly failure: E | CloseError.CloseError }
  | { readonly _tag: "Stopped" }

/**
 * When a reconnecting client connects again, and what waits meanwhile: the options that are the same on every platform.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryOptions<F, ES = never, RS = never> {
  /**
   * Whether the client retries after a failure, those of the program's effects included. When false, the client stops.
   * Default: `isTransient`, which stops on errors of the program and on close codes of applications.
   */
  readonly while?: ((failure: F) => boolean) | undefined
  /**
   * Schedule of the retries. Its input is each failure that `while` accepts, and it starts anew after a stable
   * connection. When it ends, the client stops. Default: `Reconnect.defaultSchedule`.
   */
  readonly schedule?: Schedule.Schedule<unknown, F, ES, RS> | undefined
  /**
   * Time after which an open connection counts as stable and restarts the Schedule. Without it, the retry delay of a
   * server that accepts and closes at once would never grow. Default: 5 seconds.
   */
  readonly stableAfter?: Duration.Input | undefined
  /**
   * Maximum delay before an attempt that the `Retry-After` of a server or proxy, which a page does not see, or the close
   * reason of a server that restarts (see `RestartReason`) may ask for. 0 ignores both. Default: 5 minutes.
   */
  readonly maxRetryAfter?: Duration.Input | undefined
  /** Whether `send` without a connection queues the message or fails. Default: "wait". */
  readonly whenDisconnected?: "wait" | "fail" | undefined
  /** Maximum number of queued messages; `send` fails with `QueueFull` beyond it. Default: 1024. */
  readonly maxPendingMessages?: number | undefined
  /** Maximum bytes of queued messages; `send` fails with `QueueFull` beyond it. Default: 1 MiB. */
  readonly maxPendingBytes?: number | undefined
  /** Received messages that wait for the program before the connection's own buffer fills. Default: 16. */
  readonly receiveQueueSize?: number | undefined
  /** Events that wait for the program; the oldest are dropped beyond it. Default: 256. */
  readonly eventBuffer?: number | undefined
}

/**
 * Options of a reconnecting client over a way to connect.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectingClientOptions<
  C extends ReconnectableConnection,
  F,
  ES = never,
  RS = never
> extends RetryOptions<F, ES, RS> {
  readonly while: (failure: F) => boolean
  /**
   * Completes when everything that was sent on a connection before is known to have arrived. Queued messages without it
   * are `Lost` when their connection ends. Bounded by the connection's life.
   */
  readonly proof: (connection: C) => Effect.Effect<unknown, unknown>
  /** A delay in milliseconds that a failure asks for, at the date `now`, up to `maxRetryAfter`. Default: none. */
  readonly minDelay?: ((failure: F, now: number) => number) | undefined
  /** Ends the wait for the next attempt early when it completes, such as when the network is back. Default: never. */
  readonly wake?: Effect.Effect<unknown> | undefined
}

type Rest<Parameters extends ReadonlyArray<unknown>> = Parameters extends readonly [unknown, ...infer Others]
  ? Others
  : []

/**
 * A client that connects again when its connection is lost. `C` is one of its connections, `F` why there is none, and
 * `E` why an attempt failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectingClient<C extends ReconnectableConnection, E, F = E | CloseError.CloseError> {
  /**
   * Sends a message. Returns `"sent"` when the connection accepted it (waiting as `send` of a connection does), and
   * `"queued"` when it waits for a connection; its bytes are copied then.
   *
   * **Details**
   *
   * Fails with `SendRejected` when the client did not accept the message. A `CloseError` means that the connection
   * broke during the send: the message may or may not have arrived.
   */
  readonly send: (
    data: string | Uint8Array,
    ...options: Rest<Parameters<C["send"]>>
  ) => Effect.Effect<"sent" | "queued", SendRejected | Effect.Error<ReturnType<C["send"]>>>
  /**
   * Messages of all connections, in order, for one reader. Ends when the client closes. Fails with the last failure
   * when the retries are exhausted.
   *
   * **Details**
   *
   * A reader that stops early leaves the remaining messages to the next reader, as with `messages` of a connection.
   *
   * **Gotchas**
   *
   * Messages are never dropped. A program that does not read blocks the connection, and with it the next connection.
   */
  readonly messages: Stream.Stream<Message, F>
  /** Waits for the next message. Fails as `messages` does, and with `NormalClosure` after the client is closed. */
  readonly receive: Effect.Effect<Message, F>
  /** Events of the client from its start, for one reader. Ends when the client does. */
  readonly events: Stream.Stream<ReconnectEvent<C, E>>
  /** Waits for an open connection. */
  readonly connection: Effect.Effect<C, SendRejected>
  /** Returns the number of messages that wait for a connection. */
  readonly pending: Effect.Effect<number>
  /**
   * Closes the connection, stops reconnecting and waits for the end. Queued messages are dropped, with an event.
   * Interrupting the wait does not stop the close.
   */
  readonly close: (...args: Parameters<C["close"]>) => Effect.Effect<void, Effect.Error<ReturnType<C["close"]>>>
}
