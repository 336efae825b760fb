/**
 * Handlers as a server calls them; failures of `onError` and `onClose` are logged.
 */
import type { Connection, ConnectionEvent } from "@effect-ws/connection/Connection"
import * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import * as Argument from "@effect-ws/protocol/Argument"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Handlers } from "../Handlers.ts"

/** Default of `handlerTimeoutAfterClose`: the time that a handler may run after its connection has closed. */
export const defaultHandlerTimeout: Duration.Input = "30 seconds"

/** Handlers as a server calls them; `failed` and `closed` do not fail. */
export interface Dispatch<E, R> {
  /** Events beside messages that have a handler. */
  readonly kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">
  /** Calls `onOpen`. `undefined` without this handler: the program of a connection then begins with its first event. */
  readonly open: ((connection: Connection) => Effect.Effect<void, E, R>) | undefined
  readonly handle: (connection: Connection, event: ConnectionEvent) => Effect.Effect<unknown, E, R>
  /** Calls `onError` after a handler failed. */
  readonly failed: (connection: Connection, exit: Exit.Exit<unknown, E>) => Effect.Effect<void, never, R>
  /** Calls `onError` if the connection was lost or broke a rule, then `onClose`. `undefined` without these handlers. */
  readonly closed: ((connection: Connection, closeInfo: CloseInfo) => Effect.Effect<void, never, R>) | undefined
}

/** Converts handlers to the functions that a server calls. */
export const toDispatch = <E, R>(
  handlers: Handlers<E, R>,
  handlerTimeoutAfterClose?: Duration.Input
): Dispatch<E, R> => {
  const timeout = Argument.duration("handlerTimeoutAfterClose", handlerTimeoutAfterClose ?? defaultHandlerTimeout)
  const { onClose, onError, onMessage, onOpen, onPing, onPong, onSent } = handlers
  const error = (connection: Connection, cause: Cause.Cause<unknown>): Effect.Effect<void, never, R> =>
    onError === undefined ? Effect.void : bounded(() => onError(connection, cause), "onError", timeout)
  return {
    kinds: [
      ...(onPing === undefined ? [] : ["Ping" as const]),
      ...(onPong === undefined ? [] : ["Pong" as const]),
      ...(onSent === undefined ? [] : ["Sent" as const])
    ],
    open: onOpen && ((connection) => Effect.asVoid(Effect.suspend(() => onOpen(connection)))),
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
  timeout: Duration.Input
): Effect.Effect<void, never, R> =>
  logged(handler, name).pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.logError(`The handler ${name} was interrupted: it ran longer than handlerTimeoutAfterClose`)
    }),
    Effect.interruptible
  )
