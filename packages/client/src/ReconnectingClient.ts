/**
 * A client that connects again, over any way to connect: `Reconnect` of this package makes one over `Client.connect`,
 * and `Reconnect` of `effect-ws/browser` one over the browser's `WebSocket`. This module imports nothing of Node.
 *
 * It needs only messages, `send` and `close` of a connection, so a program's own way to connect will do.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Reconnecting } from "./internal/Reconnecting.ts"
import type {
  ReconnectableConnection,
  ReconnectingClient,
  ReconnectingClientOptions
} from "./internal/ReconnectingOptions.ts"

export type {
  ReconnectEvent,
  ReconnectableConnection,
  ReconnectingClient,
  ReconnectingClientOptions,
  RetryOptions
} from "./internal/ReconnectingOptions.ts"

const longest = Duration.seconds(30)

/**
 * Doubles the delay from 500 ms up to 30 seconds, with a jitter of 20%.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultSchedule: Schedule.Schedule<unknown, unknown> = Schedule.exponential("500 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, longest))),
  Schedule.jittered,
  Schedule.setInputType<unknown>()
)

/**
 * Starts a client over a way to connect, which runs for each attempt in a Scope of its own.
 *
 * **Details**
 *
 * The client starts to connect at once; this effect does not wait for the connection. Closing the Scope closes the
 * connection and stops the client.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <C extends ReconnectableConnection, E, R, ES = never, RS = never>(
  connect: Effect.Effect<C, E, R>,
  options: ReconnectingClientOptions<C, NoInfer<E> | CloseError.CloseError, ES, RS>
): Effect.Effect<ReconnectingClient<C, E | ES>, never, Scope.Scope | Exclude<R, Scope.Scope> | RS> =>
  Reconnecting.start(connect, options, defaultSchedule)
