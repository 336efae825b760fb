/**
 * A client that comes back: it connects, and when the connection is lost it connects again, as long and as often as a
 * Schedule says. To the program it is one stream of messages in and one place to send to; a stream of events tells what
 * the network does meanwhile.
 *
 * What it promises: a message is never handed to two connections. One that was taken while there was no connection is
 * handed to the next one, in order, and kept in mind until a pong proves that the server has it; where there is no proof, an
 * event says so. What it cannot promise: that a message which an open connection took has arrived.
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
 * Why there is no connection (any more): the attempt failed, the effects that prepare it failed, or an open connection
 * ended. This is what the Schedule is given.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure<E = never> = ConnectError | CloseError.CloseError | E

/**
 * What happens to a reconnecting client.
 *
 * **Details**
 *
 * - `Connecting`: an attempt begins; the first since the last open connection is number 1.
 * - `Open`: it succeeded.
 * - `Failed`: it did not. The next one begins after `retryIn`; `undefined` means that there will be none.
 * - `Closed`: an open connection ended, as the closure says. `retryIn` as above.
 * - `Dropped`: messages that were acknowledged as queued and will not be sent again. `Lost`: a connection broke before
 *   anything proved that they had arrived; they may have. `Closed`: the client came to its end before it could send them.
 *   `Refused`: they came into the middle of a message that the program sends frame by frame.
 * - `RetriesExhausted`: `while` or the Schedule wants no further attempt. Nothing comes after it.
 * - `Stopped`: the program closed the client, or its Scope. Nothing comes after it.
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
 * What a reconnecting client may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectOptions<E = never, R = never, ES = never, RS = never> {
  /** Where to connect to; an effect is evaluated for each attempt. */
  readonly url: string | URL | Effect.Effect<string | URL, E, R>
  /** How; an effect is evaluated for each attempt, so that tokens in headers can change. Default: as `Client.connect`. */
  readonly options?: ClientOptions | Effect.Effect<ClientOptions, E, R> | undefined
  /**
   * Whether another attempt may succeed after a failure, one of the program's effects included. Where not, the client
   * gives up. Default: {@link isTransient}, which gives up on errors of the program and on close codes of applications.
   */
  readonly while?: ((failure: Failure<NoInfer<E>>) => boolean) | undefined
  /**
   * When to try again: it is given each failure that `while` lets pass, and begins anew after a connection that was
   * stable. Where it ends, the client gives up as well. Default: {@link defaultSchedule}.
   */
  readonly schedule?: Schedule.Schedule<unknown, Failure<NoInfer<E>>, ES, RS> | undefined
  /**
   * The longest that the `Retry-After` of a server or a proxy delays an attempt beyond what the Schedule says; one that
   * asks for more is asked again after this. 0 ignores it. Default: 5 minutes.
   */
  readonly maxRetryAfter?: Duration.Input | undefined
  /**
   * How long a connection must have been open to count as stable, so that a server which accepts and closes at once is
   * not asked faster and faster. Default: 5 seconds.
   */
  readonly stableAfter?: Duration.Input | undefined
  /** Whether messages that are sent while there is no connection wait for the next one, or fail. Default: "wait". */
  readonly whenDisconnected?: "wait" | "fail" | undefined
  /** The most messages that wait; more fail with `QueueFull`. Default: 1024. */
  readonly maxPendingMessages?: number | undefined
  /** The most bytes of messages that wait; more fail with `QueueFull`. Default: 1 MiB. */
  readonly maxPendingBytes?: number | undefined
  /** How many received messages wait for the program before the connection's own buffer fills. Default: 16. */
  readonly receiveQueueSize?: number | undefined
  /** How many events wait for the program; beyond that the oldest are forgotten. Default: 256. */
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
   * Sends a message: `"sent"` when the connection took it (which waits as `Connection.send` does), `"queued"` when it waits
   * for a connection, its bytes copied.
   *
   * **Details**
   *
   * Fails with `SendRejected` where it was not taken. A `CloseError` means that the connection broke while it was being sent,
   * so that it may or may not have arrived.
   */
  readonly send: (
    data: string | Uint8Array,
    options?: SendOptions
  ) => Effect.Effect<"sent" | "queued", SendRejected | CloseError.CloseError | SendError>
  /**
   * The messages of all connections, in order, for one reader. Ends when the client is closed, and fails with the last
   * failure when it gives up.
   *
   * **Details**
   *
   * A read that ends early leaves the other messages to the next one, as with `Connection.messages`.
   *
   * **Gotchas**
   *
   * Messages are not dropped: a program that does not read holds up the connection, and with it the next one.
   */
  readonly messages: Stream.Stream<Message, Failure<E>>
  /** Waits for the next message. Fails as `messages` does, and with `NormalClosure` when the client is closed. */
  readonly receive: Effect.Effect<Message, Failure<E>>
  /** What happens, from the beginning on, for one reader. Ends when the client does. */
  readonly events: Stream.Stream<Event<E>>
  /** Waits for an open connection. */
  readonly connection: Effect.Effect<Connection, SendRejected>
  /** How many messages wait for a connection. */
  readonly pending: Effect.Effect<number>
  /**
   * Closes the connection and connects no more, and waits for the end. Messages that wait are dropped, with an event. A
   * wait that is interrupted changes nothing about that.
   */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void, SendError>
}

const longest = Duration.seconds(30)

/**
 * Waits half a second, and twice as long each time up to 30 seconds, give or take a fifth.
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
 * Tests whether a failure may be gone at the next attempt, judged by its cause: see {@link FailureKind.kinds}. What an
 * effect of the program failed with is not: only the program knows.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTransient = (failure: Failure<unknown>): boolean => FailureKind.isTransient(failure)

/**
 * Starts a client that connects again when its connection is lost.
 *
 * **Details**
 *
 * It begins to connect at once and does not wait for it. The Scope holds it: closing that closes the connection, with 1000,
 * and stops.
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
