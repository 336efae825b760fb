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
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Client from "./Client.ts"
import type { ClientOptions } from "./Client.ts"
import type { ConnectError } from "./ConnectError.ts"
import * as FailureKind from "./FailureKind.ts"
import { retryAfterOf } from "./internal/retryAfter.ts"
import * as Reconnecting from "./ReconnectingClient.ts"

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
 * @category models
 * @since 0.1.0
 */
export type Event<E = never> = Reconnecting.ReconnectEvent<Connection, ConnectError | E>

/**
 * Options of a reconnecting client.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectOptions<E = never, R = never, ES = never, RS = never> extends Reconnecting.RetryOptions<
  Failure<NoInfer<E>>,
  ES,
  RS
> {
  /** URL of the server; an effect runs for each attempt. */
  readonly url: string | URL | Effect.Effect<string | URL, E, R>
  /**
   * Client options; an effect runs for each attempt, so that header tokens can change. Default: as `Client.connect`.
   */
  readonly options?: ClientOptions | Effect.Effect<ClientOptions, E, R> | undefined
}

/**
 * A client that connects again when its connection is lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectingClient<E = never> extends Reconnecting.ReconnectingClient<Connection, ConnectError | E> {}

/**
 * Doubles the delay from 500 ms up to 30 seconds, with a jitter of 20%.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSchedule: Schedule.Schedule<unknown, Failure<unknown>> = Reconnecting.defaultSchedule

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
): Effect.Effect<ReconnectingClient<E | ES>, never, Dialer | Scope.Scope | R | RS> => {
  const connect = Effect.gen(function* () {
    const url = Effect.isEffect(options.url) ? yield* options.url : options.url
    const clientOptions = Effect.isEffect(options.options) ? yield* options.options : options.options
    return yield* Client.connect(url, clientOptions)
  })
  return Reconnecting.make(connect, {
    ...options,
    while: options.while ?? isTransient,
    minDelay: retryAfterOf,
    // A ping overtakes buffered messages, so it follows `flushed`. The pong proves that the peer read all of them.
    proof: (connection) => Effect.andThen(connection.flushed, connection.ping())
  })
}
