/**
 * The handler of the demo server, which echoes every message: text as text and binary as binary.
 *
 * Echoing whole messages is simple and fast. A server that accepts messages too large for memory forwards them piece by
 * piece.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { Handlers } from "@effect-ws/server/Handlers"
import type { CloseError } from "@effect-ws/protocol/CloseError"
import * as Limits from "@effect-ws/protocol/Limits"
import type { SendError } from "@effect-ws/protocol/SendError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Makes a handler that echoes messages of up to `maxMessageSize` bytes in bounded memory. */
export const make = (
  maxMessageSize: number
): ((connection: Connection) => Effect.Effect<void, CloseError | SendError>) =>
  maxMessageSize > Limits.make().maxMessageSize ? inPieces : whole

const whole = (connection: Connection): Effect.Effect<void, CloseError | SendError> =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))

const inPieces = (connection: Connection): Effect.Effect<void, CloseError | SendError> =>
  Effect.forever(Effect.flatMap(connection.receiveStream, (message) => connection.sendStream(message)))

/** The same as callbacks, for a server without a fiber per connection. */
export const handlers: Handlers<CloseError | SendError> = {
  onMessage: (connection, message) => connection.send(message)
}
