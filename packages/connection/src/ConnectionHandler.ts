/**
 * Closes a connection with the exit of the program that handles it.
 *
 * A handler that returns closes with 1000; one that fails with a typed close closes with that; any other failure or
 * defect closes with 1011, says nothing of its cause to the peer, and is logged; interruption closes with 1001.
 *
 * @since 0.1.0
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Result from "effect/Result"
import type { Connection } from "./Connection.ts"
import { isOwn } from "./internal/OwnConnection.ts"

/**
 * A program for one connection. It may fail with a close to close with; any other failure becomes 1011.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<E = unknown, R = never> = (connection: Connection) => Effect.Effect<unknown, E, R>

/**
 * Runs a handler on a connection, closes the connection as the handler's exit says, and waits for its end.
 *
 * **Details**
 *
 * Never fails: every failure of the handler becomes a close code, and an unexpected one a log entry too. The wait is
 * bounded by the connection's `closeTimeout`. Interruption interrupts the handler and then closes with 1001.
 *
 * @category destructors
 * @since 0.1.0
 */
export const run = <E, R>(connection: Connection, handler: Handler<E, R>): Effect.Effect<CloseInfo, never, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.exit(restore(Effect.suspend(() => handler(connection)))), (exit) =>
      closeWithExit(connection, exit)
    )
  )

/**
 * Closes a connection as the exit of its program says, and waits for its end.
 *
 * @category destructors
 * @since 0.1.0
 */
export const closeWithExit = (connection: Connection, exit: Exit.Exit<unknown, unknown>): Effect.Effect<CloseInfo> => {
  const { code, reason, unhandled } = intentOf(exit)
  const closed = close(connection, code, reason)
  return unhandled === undefined ? closed : Effect.andThen(logUnhandled("The handler failed", unhandled), closed)
}

/**
 * Does the same without a fiber, for servers: calls `done` when the connection has ended, which may be before this
 * returns. Returns `false`, and does nothing, where there is something to log, and for connections that are not of
 * `Accept` and `Connect`.
 *
 * @category destructors
 * @since 0.1.0
 */
export const closeWithExitSync = (
  connection: Connection,
  exit: Exit.Exit<unknown, unknown>,
  done: (closeInfo: CloseInfo) => void
): boolean => {
  const { code, reason, unhandled } = intentOf(exit)
  if (unhandled !== undefined || !isOwn(connection)) return false
  connection.programEnded()
  connection.closeSync(code, reason, done)
  return true
}

interface Intent {
  readonly code: number
  readonly reason?: string
  /** What was not handled, to be logged. */
  readonly unhandled?: Cause.Cause<unknown>
}

const intentOf = (exit: Exit.Exit<unknown, unknown>): Intent => {
  if (exit._tag === "Success") return { code: 1000 }
  const error = Cause.findError(exit.cause)
  if (Result.isSuccess(error) && CloseError.isCloseError(error.success)) {
    // The connection's own end, which the handler let through, needs no words; where it is open, it closes so.
    return CloseError.isSendable(error.success) ? error.success : { code: 1011 }
  }
  return Cause.hasInterruptsOnly(exit.cause) ? { code: 1001 } : { code: 1011, unhandled: exit.cause }
}

/**
 * Ends a connection without waiting for its peer any longer: in order where the system has taken everything that was
 * sent, so that the peer can still read it, and otherwise with a reset. The peer's answer to a close frame is not seen
 * any more.
 *
 * @category destructors
 * @since 0.1.0
 */
export const abandon = (connection: Connection, why: string): Effect.Effect<void> =>
  isOwn(connection) ? Effect.sync(() => connection.leave(why)) : connection.abort(why)

/**
 * Logs what went wrong in a program and was not handled, at the level of `References.UnhandledLogLevel`: an error
 * unless told otherwise, and not at all where that is `undefined`.
 *
 * @category logging
 * @since 0.1.0
 */
export const logUnhandled = (message: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.flatMap(References.UnhandledLogLevel, (level) =>
    level === undefined ? Effect.void : Effect.logWithLevel(level)(message, cause)
  )

const close = (connection: Connection, code: number, reason?: string): Effect.Effect<CloseInfo> =>
  Effect.suspend(() => {
    if (isOwn(connection)) connection.programEnded()
    return Effect.orDie(connection.close(code, reason))
  })
