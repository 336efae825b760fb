/**
 * A program as a record of callbacks, like those of the browser and of most servers.
 *
 * Each handler is an Effect and is optional. The handlers of one connection run one after the other, in the order of
 * its events. Every kind of server takes the same record.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import type * as Message from "@effect-ws/protocol/Message"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"

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
