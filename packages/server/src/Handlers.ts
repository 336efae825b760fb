/**
 * A program as a record of callbacks, for those who think in events: the same set as in the browser and in most servers.
 *
 * Each handler is an Effect and each is optional. The events of one connection come one after the other and in order; the
 * next waits until the handler of the one before is done. Every kind of server takes the same record.
 *
 * @since 0.1.0
 */
import type { Connection, ConnectionEvent } from "@effect-ws/connection/Connection"
import * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import * as Polling from "@effect-ws/connection/Polling"
import type * as Message from "@effect-ws/protocol/Message"
import * as Argument from "@effect-ws/protocol/Argument"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * How long a handler may go on when its connection is over.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultGrace: Duration.Input = "30 seconds"

/**
 * What a program does when something happens on one of its connections.
 *
 * **Details**
 *
 * A handler that fails with a typed close closes its connection with that; any other failure or defect closes it with
 * 1011 and is logged. Either way `onError` hears of it before, and `onClose` after.
 *
 * The service `WebSocketServer` is the server that the connection came to. `connection.frames` dies, since handlers take
 * everything that arrives.
 *
 * Whoever waits for ever is interrupted: a handler when its connection has been over for `handlerTimeoutAfterClose`, `onError` and
 * `onClose` when they have taken that long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handlers<E = never, R = never> {
  /** The handshake is done. Nothing else comes before this is. */
  readonly onOpen?: ((connection: Connection) => Effect.Effect<unknown, E, R>) | undefined
  /** A message arrived. */
  readonly onMessage?: ((connection: Connection, message: Message.Message) => Effect.Effect<unknown, E, R>) | undefined
  /** A ping arrived. It was answered already. */
  readonly onPing?: ((connection: Connection, data: Uint8Array) => Effect.Effect<unknown, E, R>) | undefined
  /** A pong arrived, asked for or not. */
  readonly onPong?: ((connection: Connection, data: Uint8Array) => Effect.Effect<unknown, E, R>) | undefined
  /**
   * A message of ours was handed to the system in full, be it of `send`, `sendStream` or `sendFrame`. Pieces are held until
   * then and joined.
   */
  readonly onSent?: ((connection: Connection, message: Message.Message) => Effect.Effect<unknown, E, R>) | undefined
  /** The connection is over. Comes exactly once for each connection, whatever happened to it. A failure is logged. */
  readonly onClose?: ((connection: Connection, closeInfo: CloseInfo) => Effect.Effect<unknown, E, R>) | undefined
  /**
   * A handler failed, the peer broke a rule, or the stream broke off. Comes before `onClose`. A failure of this handler
   * itself is logged.
   */
  readonly onError?: ((connection: Connection, cause: Cause.Cause<unknown>) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * The two ways to write a program for a connection: a function that holds the conversation, or handlers for its events.
 *
 * @category models
 * @since 0.1.0
 */
export type Program<E, R> = ConnectionHandler.Handler<E, R> | Handlers<E, R>

/**
 * A program as a server runs it: the conversation, and what follows its end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running<E, R> {
  readonly handler: ConnectionHandler.Handler<E, R>
  readonly afterwards: ((connection: Connection, closeInfo: CloseInfo) => Effect.Effect<unknown, never, R>) | undefined
}

/**
 * Handlers as a server calls them: none is missing, and those that may not fail do not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dispatch<E, R> {
  /** The events beside messages that have a handler. */
  readonly kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">
  readonly open: (connection: Connection) => Effect.Effect<void, E, R>
  readonly handle: (connection: Connection, event: ConnectionEvent) => Effect.Effect<unknown, E, R>
  /** After a handler failed: calls `onError`. */
  readonly failed: (connection: Connection, exit: Exit.Exit<unknown, E>) => Effect.Effect<void, never, R>
  /** After the end: calls `onError` where the connection broke, then `onClose`. */
  readonly closed: (connection: Connection, closeInfo: CloseInfo) => Effect.Effect<void, never, R>
}

/**
 * Prepares handlers for being called.
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
    closed: (connection, closeInfo) => {
      const broke = closeInfo.violation !== undefined || closeInfo.error._tag === "AbnormalClosure"
      return Effect.andThen(
        broke ? error(connection, Cause.fail(closeInfo.error)) : Effect.void,
        onClose === undefined ? Effect.void : logged(() => onClose(connection, closeInfo), "onClose")
      )
    }
  }
}

/**
 * Makes a conversation of a program: handlers are called by a fiber that takes the connection's events.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toRunning = <E, R>(program: Program<E, R>, grace?: Duration.Input): Running<E, R> => {
  if (typeof program === "function") return { handler: program, afterwards: undefined }
  const dispatch = toDispatch(program, grace)
  return {
    handler: (connection) => {
      // Events are kept from here on, also while `onOpen` runs.
      const events = Polling.pull(connection, dispatch.kinds)
      return Effect.andThen(
        dispatch.open(connection),
        handleAll(events, (event) => dispatch.handle(connection, event))
      ).pipe(Effect.onExit((exit) => dispatch.failed(connection, exit)))
    },
    afterwards: dispatch.closed
  }
}

// How the connection ended is told by its closure, afterwards.
const handleAll = <E, R>(
  pull: Effect.Effect<ReadonlyArray<ConnectionEvent>, unknown>,
  handle: (event: ConnectionEvent) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  Effect.suspend(() => {
    let isOver = false
    const batch = Effect.catch(pull, () => {
      isOver = true
      return Effect.succeed(noEvents)
    })
    const turn = Effect.flatMap(batch, (events) => {
      let at = 0
      return Effect.whileLoop({ while: () => at < events.length, body: () => handle(events[at++]!), step: () => {} })
    })
    return Effect.whileLoop({ while: () => !isOver, body: () => turn, step: () => {} })
  })

const noEvents: ReadonlyArray<ConnectionEvent> = []

const logged = <E, R>(handler: () => Effect.Effect<unknown, E, R>, name: string): Effect.Effect<void, never, R> =>
  Effect.catchCause(Effect.asVoid(Effect.suspend(handler)), (cause) =>
    ConnectionHandler.logUnhandled(`The handler ${name} failed`, cause)
  )

// The connection waits for it to be closed, so what hangs must not. It may be called where nothing is interrupted.
const bounded = <E, R>(
  handler: () => Effect.Effect<unknown, E, R>,
  name: string,
  grace: Duration.Input
): Effect.Effect<void, never, R> =>
  logged(handler, name).pipe(
    Effect.timeoutOrElse({
      duration: grace,
      orElse: () =>
        Effect.logError(`The handler ${name} was interrupted, for it took longer than handlerTimeoutAfterClose`)
    }),
    Effect.interruptible
  )
