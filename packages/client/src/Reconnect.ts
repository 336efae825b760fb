/**
 * A client that reconnects: when the connection is lost, it connects again, as often as a Schedule allows. The program
 * sees one stream of messages and one `send`. A stream of events reports the state of the connection.
 *
 * The client never writes a message to two connections. It queues messages that are sent without a connection, writes
 * them to the next connection in order, and keeps them until a pong proves that the server received them. An event
 * reports those without a proof. There is no guarantee that a message sent on an open connection arrived.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import type { SendError } from "@effect-ws/protocol/SendError"
import type { CloseInfo, SendOptions } from "@effect-ws/protocol/Session"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ClientOptions } from "./Client.ts"
import type { ConnectError } from "./ConnectError.ts"
import * as FailureKind from "./FailureKind.ts"
import { Reconnecting } from "./internal/Reconnecting.ts"
import type { SendRejected } from "./SendRejected.ts"

/**
 * The reason why there is no connection: the attempt failed, an effect of the options failed, or an open connection
 * closed. This is the input of the Schedule.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure<E = never> = ConnectError | CloseError.CloseError | E

/**
 * The events of a reconnecting client.
 *
 * **Details**
 *
 * - `Connecting`: an attempt starts. The first attempt after an open connection has number 1.
 * - `Open`: the attempt succeeded.
 * - `Failed`: the attempt failed. The next one starts after `retryIn`; `undefined` means that there is none.
 * - `Closed`: an open connection closed, with its `closeInfo`. `retryIn` is as above.
 * - `Dropped`: queued messages that the client will not send again. `Lost`: the connection broke before a pong proved
 *   that they arrived; they may have arrived. `Closed`: the client closed before it sent them. `Refused`: the program
 *   was in the middle of a message that it sends frame by frame.
 * - `RetriesExhausted`: `while` or the Schedule stopped the retries. This is the last event.
 * - `Stopped`: the program closed the client or its Scope. This is the last event.
 *
 * @category models
 * @since 0.1.0
 */
export type Event<E = never> =
  | { readonly _tag: "Connecting"; readonly attempt: number }
  | { readonly _tag: "Open"; readonly attempt: number; readonly connection: Connection }
  | {
      readonly _tag: "Failed"
      readonly attempt: number
      readonly error: ConnectError | E
      readonly retryIn: Duration.Duration | undefined
    }
  | { readonly _tag: "Closed"; readonly closeInfo: CloseInfo; readonly retryIn: Duration.Duration | undefined }
  | {
      readonly _tag: "Dropped"
      readonly messages: ReadonlyArray<string | Uint8Array>
      readonly reason: "Lost" | "Refused" | "Closed"
    }
  | { readonly _tag: "RetriesExhausted"; readonly failure: Failure<E> }
  | { readonly _tag: "Stopped" }

/**
 * Options of a reconnecting client.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectOptions<E = never, R = never, ES = never, RS = never> {
  /** URL of the server; an effect runs for each attempt. */
  readonly url: string | URL | Effect.Effect<string | URL, E, R>
  /**
   * Client options; an effect runs for each attempt, so that header tokens can change. Default: as `Client.connect`.
   */
  readonly options?: ClientOptions | Effect.Effect<ClientOptions, E, R> | undefined
  /**
   * Whether the client retries after a failure, those of the program's effects included. When false, the client stops.
   * Default: {@link isTransient}, which stops on errors of the program and on close codes of applications.
   */
  readonly while?: ((failure: Failure<NoInfer<E>>) => boolean) | undefined
  /**
   * Schedule of the retries. Its input is each failure that `while` accepts, and it starts anew after a stable
   * connection. When it ends, the client stops. Default: {@link defaultSchedule}.
   */
  readonly schedule?: Schedule.Schedule<unknown, Failure<NoInfer<E>>, ES, RS> | undefined
  /**
   * Maximum delay that the `Retry-After` of a server or proxy adds to an attempt, whatever it asks for. 0 ignores
   * `Retry-After`. Default: 5 minutes.
   */
  readonly maxRetryAfter?: Duration.Input | undefined
  /**
   * Time after which an open connection counts as stable and restarts the Schedule. Without it, the retry delay of a
   * server that accepts and closes at once would never grow. Default: 5 seconds.
   */
  readonly stableAfter?: Duration.Input | undefined
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
 * A client that connects again when its connection is lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectingClient<E = never> {
  /**
   * Sends a message. Returns `"sent"` when the connection accepted it (waiting as `Connection.send` does), and
   * `"queued"` when it waits for a connection; its bytes are copied then.
   *
   * **Details**
   *
   * Fails with `SendRejected` when the client did not accept the message. A `CloseError` means that the connection
   * broke during the send: the message may or may not have arrived.
   */
  readonly send: (
    data: string | Uint8Array,
    options?: SendOptions
  ) => Effect.Effect<"sent" | "queued", SendRejected | CloseError.CloseError | SendError>
  /**
   * Messages of all connections, in order, for one reader. Ends when the client closes. Fails with the last failure
   * when the retries are exhausted.
   *
   * **Details**
   *
   * A reader that stops early leaves the remaining messages to the next reader, as with `Connection.messages`.
   *
   * **Gotchas**
   *
   * Messages are never dropped. A program that does not read blocks the connection, and with it the next connection.
   */
  readonly messages: Stream.Stream<Message, Failure<E>>
  /** Waits for the next message. Fails as `messages` does, and with `NormalClosure` after the client is closed. */
  readonly receive: Effect.Effect<Message, Failure<E>>
  /** Events of the client from its start, for one reader. Ends when the client does. */
  readonly events: Stream.Stream<Event<E>>
  /** Waits for an open connection. */
  readonly connection: Effect.Effect<Connection, SendRejected>
  /** Returns the number of messages that wait for a connection. */
  readonly pending: Effect.Effect<number>
  /**
   * Closes the connection, stops reconnecting and waits for the end. Queued messages are dropped, with an event.
   * Interrupting the wait does not stop the close.
   */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void, SendError>
}

const longest = Duration.seconds(30)

/**
 * Doubles the delay from 500 ms up to 30 seconds, with a jitter of 20%.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSchedule: Schedule.Schedule<unknown, Failure<unknown>> = Schedule.exponential("500 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, longest))),
  Schedule.jittered,
  Schedule.setInputType<Failure<unknown>>()
)

/**
 * Tests whether a retry may succeed after a failure, by its cause: see {@link FailureKind.kinds}. Returns false for
 * errors of the program's effects, which only the program understands.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTransient = (failure: Failure<unknown>): boolean => FailureKind.isTransient(failure)

/**
 * Starts a client that reconnects when its connection is lost.
 *
 * **Details**
 *
 * The client starts to connect at once; this effect does not wait for the connection. Closing the Scope closes the
 * connection with 1000 and stops the client.
 *
 * **Example** (Subscribing anew on each connection)
 *
 * ```ts skip-type-checking
 * Effect.gen(function* () {
 *   const client = yield* Reconnect.make({ url: Effect.map(freshToken, (token) => `wss://example/?token=${token}`) })
 *   yield* client.events.pipe(
 *     Stream.filter((event) => event._tag === "Open"),
 *     Stream.runForEach(({ connection }) => connection.send("subscribe")),
 *     Effect.forkScoped
 *   )
 *   yield* Stream.runForEach(client.messages, Console.log)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = never, R = never, ES = never, RS = never>(
  options: ReconnectOptions<E, R, ES, RS>
): Effect.Effect<ReconnectingClient<E | ES>, never, Dialer | Scope.Scope | R | RS> =>
  Reconnecting.start(options, defaultSchedule)
