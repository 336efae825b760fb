/**
 * A program as a record of callbacks, like those of the browser and of most servers.
 *
 * Each handler is an Effect and is optional. The handlers of one connection run one after the other, in the order of
 * its events. Every kind of server takes the same record.
 *
 * @since 0.1.0
 */
import type { Connection, ConnectionEvent } from "@effect-ws/connection/Connection"
import * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import type * as Message from "@effect-ws/protocol/Message"
import * as Argument from "@effect-ws/protocol/Argument"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * Default of `handlerTimeoutAfterClose`: the time that a handler may run after its connection has closed.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultGrace: Duration.Input = "30 seconds"

/**
 * The handlers of a program, for the events of its connections.
 *
 * **Details**
 *
 * A handler that fails with a typed close error closes its connection with that code. Any other failure, and any
 * defect, closes it with 1011 and is logged. In both cases `onError` runs before the close and `onClose` after it.
 *
 * The service `WebSocketServer` is the server that accepted the connection. `connection.frames` dies, since the
 * handlers take everything that arrives.
 *
 * The server interrupts a handler `handlerTimeoutAfterClose` after its connection has closed, and `onError` and
 * `onClose` when they have run for as long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handlers<E = never, R = never> {
  /** Runs when the handshake is done. No other handler runs before it has returned. */
  readonly onOpen?: ((connection: Connection) => Effect.Effect<unknown, E, R>) | undefined
  /** Runs for each message that arrives. */
  readonly onMessage?: ((connection: Connection, message: Message.Message) => Effect.Effect<unknown, E, R>) | undefined
  /** Runs for each ping that arrives. The pong was sent already. */
  readonly onPing?: ((connection: Connection, data: Uint8Array) => Effect.Effect<unknown, E, R>) | undefined
  /** Runs for each pong that arrives, solicited or not. */
  readonly onPong?: ((connection: Connection, data: Uint8Array) => Effect.Effect<unknown, E, R>) | undefined
  /**
   * Runs when a message of `send`, `sendStream` or `sendFrame` was written to the socket in full. The fragments of a
   * message are kept until then and joined.
   */
  readonly onSent?: ((connection: Connection, message: Message.Message) => Effect.Effect<unknown, E, R>) | undefined
  /** Runs exactly once for each connection, after its close, however it ended. A failure is logged. */
  readonly onClose?: ((connection: Connection, closeInfo: CloseInfo) => Effect.Effect<unknown, E, R>) | undefined
  /**
   * Runs after a handler failed, the peer broke a rule of the protocol, or the connection was lost; always before
   * `onClose`. A failure of this handler is logged.
   */
  readonly onError?: ((connection: Connection, cause: Cause.Cause<unknown>) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * The two ways to write a program for a connection: one function for its whole life, or handlers for its events.
 *
 * @category models
 * @since 0.1.0
 */
export type Program<E, R> = ConnectionHandler.Handler<E, R> | Handlers<E, R>

/**
 * Handlers as a server calls them: none is missing, and `failed` and `closed` do not fail.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dispatch<E, R> {
  /** Events beside messages that have a handler. */
  readonly kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">
  readonly open: (connection: Connection) => Effect.Effect<void, E, R>
  readonly handle: (connection: Connection, event: ConnectionEvent) => Effect.Effect<unknown, E, R>
  /** Calls `onError` after a handler failed. */
  readonly failed: (connection: Connection, exit: Exit.Exit<unknown, E>) => Effect.Effect<void, never, R>
  /** Calls `onError` if the connection was lost or broke a rule, then `onClose`. `undefined` without these handlers. */
  readonly closed: ((connection: Connection, closeInfo: CloseInfo) => Effect.Effect<void, never, R>) | undefined
}

/**
 * Converts handlers to the functions that a server calls.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toDispatch = <E, R>(
  handlers: Handlers<E, R>,
  handlerTimeoutAfterClose?: Duration.Input
): Dispatch<E, R> => {
  const grace = Argument.duration("handlerTimeoutAfterClose", handlerTimeoutAfterClose ?? defaultGrace)
  const { onClose, onError, onMessage, onOpen, onPing, onPong, onSent } = handlers
  const error = (connection: Connection, cause: Cause.Cause<unknown>): Effect.Effect<void, never, R> =>
    onError === undefined ? Effect.void : bounded(() => onError(connection, cause), "onError", grace)
  return {
    kinds: [
      ...(onPing === undefined ? [] : ["Ping" as const]),
      ...(onPong === undefined ? [] : ["Pong" as const]),
      ...(onSent === undefined ? [] : ["Sent" as const])
    ],
    open: (connection) => Effect.asVoid(Effect.suspend(() => onOpen?.(connection) ?? Effect.void)),
    handle: (connection, event) => {
      switch (event._tag) {
        case "Ping":
          return onPing?.(connection, event.data) ?? Effect.void
        case "Pong":
          return onPong?.(connection, event.data) ?? Effect.void
        case "Sent":
          return onSent?.(connection, event.message) ?? Effect.void
        default:
          return onMessage?.(connection, event) ?? Effect.void
      }
    },
    failed: (connection, exit) =>
      Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? Effect.void : error(connection, exit.cause),
    closed:
      onError === undefined && onClose === undefined
        ? undefined
        : (connection, closeInfo) => {
            const broke = closeInfo.violation !== undefined || closeInfo.error._tag === "AbnormalClosure"
            return Effect.andThen(
              broke ? error(connection, Cause.fail(closeInfo.error)) : Effect.void,
              onClose === undefined ? Effect.void : logged(() => onClose(connection, closeInfo), "onClose")
            )
          }
  }
}

const logged = <E, R>(handler: () => Effect.Effect<unknown, E, R>, name: string): Effect.Effect<void, never, R> =>
  Effect.catchCause(Effect.asVoid(Effect.suspend(handler)), (cause) =>
    ConnectionHandler.logUnhandled(`The handler ${name} failed`, cause)
  )

// The connection closes only after `onError`, so the handler must end, also where the caller is uninterruptible.
const bounded = <E, R>(
  handler: () => Effect.Effect<unknown, E, R>,
  name: string,
  grace: Duration.Input
): Effect.Effect<void, never, R> =>
  logged(handler, name).pipe(
    Effect.timeoutOrElse({
      duration: grace,
      orElse: () => Effect.logError(`The handler ${name} was interrupted: it ran longer than handlerTimeoutAfterClose`)
    }),
    Effect.interruptible
  )
