/**
 * A client in a page that connects again when its connection is lost: the same policy, options, events and promises as
 * `Reconnect` on Node, as far as a browser allows.
 *
 * A browser does not say why it opened no connection, so a 401 looks like a 503 and like a network that is gone: all
 * are tried again. When the browser tells that the network is back, the next attempt starts at once. A page sends no
 * pings, so only the answer to a heartbeat proves that queued messages have arrived.
 *
 * @since 0.1.0
 */
import * as FailureKind from "@effect-ws/client/FailureKind"
import * as Reconnecting from "@effect-ws/client/ReconnectingClient"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as RestartReason from "@effect-ws/protocol/RestartReason"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as BrowserClient from "./BrowserClient.ts"
import type { BrowserClientOptions } from "./BrowserClient.ts"
import { BrowserConnectError } from "./BrowserConnectError.ts"
import type { BrowserConnection } from "./BrowserConnection.ts"
import { online } from "./internal/online.ts"
import type { OpenWebSocket } from "./internal/OpenWebSocket.ts"

/**
 * The reason why there is no connection: the attempt failed, an effect of the options failed, or an open connection
 * closed. This is the input of the Schedule.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure<E = never> = BrowserConnectError | CloseError.CloseError | E

/**
 * The events of a reconnecting client, as on Node.
 *
 * @category models
 * @since 0.1.0
 */
export type Event<E = never> = Reconnecting.ReconnectEvent<BrowserConnection, BrowserConnectError | E>

/**
 * Options of a reconnecting client in a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectOptions<E = never, R = never, ES = never, RS = never> extends Reconnecting.RetryOptions<
  Failure<NoInfer<E>>,
  ES,
  RS
> {
  /** URL of the server; an effect runs for each attempt, so that a token in it can change. */
  readonly url: BrowserClient.Url | Effect.Effect<BrowserClient.Url, E, R>
  /** Client options; an effect runs for each attempt. Default: as `BrowserClient.connect`. */
  readonly options?: BrowserClientOptions | Effect.Effect<BrowserClientOptions, E, R> | undefined
}

/**
 * A client that connects again when its connection is lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReconnectingClient<E = never> extends Reconnecting.ReconnectingClient<
  BrowserConnection,
  BrowserConnectError | E
> {}

/**
 * Doubles the delay from 500 ms up to 30 seconds, with a jitter of 20%.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSchedule: Schedule.Schedule<unknown, Failure<unknown>> = Reconnecting.defaultSchedule

/**
 * Tests whether a retry may succeed after a failure. Of attempts, only those that the browser refuses to make
 * (`Invalid`, `Blocked`) are not tried again; closes are judged as on Node. Returns false for errors of the program's
 * effects, which only the program understands.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTransient = (failure: Failure<unknown>): boolean =>
  CloseError.isCloseError(failure)
    ? FailureKind.isTransientClose(failure)
    : failure instanceof BrowserConnectError && failure.isTransient

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
 *   const client = yield* Reconnect.make({ url: "wss://feed.example/" })
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
): Effect.Effect<ReconnectingClient<E | ES>, never, Scope.Scope | R | RS> => {
  const connect = Effect.gen(function* () {
    const url = Effect.isEffect(options.url) ? yield* options.url : options.url
    const clientOptions = Effect.isEffect(options.options) ? yield* options.options : options.options
    return yield* BrowserClient.connect(url, clientOptions)
  })
  return Reconnecting.make(connect, {
    ...options,
    while: options.while ?? isTransient,
    // A server that restarts spreads its clients over time.
    minDelay: (failure) => (CloseError.isCloseError(failure) ? RestartReason.delayOf(failure.code, failure.reason) : 0),
    wake: online,
    proof: (connection) => (connection as OpenWebSocket).received
  })
}
