/**
 * A connection for programs that only exchange messages. `Connection` is one, and so are a connection in a browser,
 * which has little more, and one that reconnects: code written for this interface works over all of them.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type * as Message from "@effect-ws/protocol/Message"
import type { SendError } from "@effect-ws/protocol/SendError"
import type { SendOptions } from "@effect-ws/protocol/Session"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

/**
 * A connection as messages. `E` is how reading ends, `SE` how sending fails, `Sent` what a send returns.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageConnection<
  out E = CloseError.CloseError,
  out Sent = void,
  out SE = CloseError.CloseError | SendError
> {
  /** The messages of the peer, in order. */
  readonly messages: Stream.Stream<Message.Message, E>
  /** Waits for the next message. Fails where there is none any more. */
  readonly receive: Effect.Effect<Message.Message, E>
  /** Sends a message: a string as text, bytes as binary. */
  readonly send: (data: string | Uint8Array, options?: SendOptions) => Effect.Effect<Sent, SE>
  /** Closes the connection and waits for the end. Default: code 1000 without a reason. */
  // A method, so that a connection whose close codes are fewer fits.
  close(code?: number, reason?: string): Effect.Effect<unknown, unknown>
}
