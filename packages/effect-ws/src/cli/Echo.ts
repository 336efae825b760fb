/**
 * What the demo server says: it sends every message back, as it came, text as text and bytes as bytes.
 *
 * There are two ways to do that. Whole messages are the simple and fast one. A server that takes messages too large to
 * hold in memory passes them on piece by piece.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { Handlers } from "@effect-ws/server/Handlers"
import type { CloseError } from "@effect-ws/protocol/CloseError"
import * as Limits from "@effect-ws/protocol/Limits"
import type { SendError } from "@effect-ws/protocol/SendError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** A handler that echoes messages of up to `maxMessageSize` bytes, in memory that does not grow with that number. */
export const make = (
  maxMessageSize: number
): ((connection: Connection) => Effect.Effect<void, CloseError | SendError>) =>
  maxMessageSize > Limits.make().maxMessageSize ? inPieces : whole

const whole = (connection: Connection): Effect.Effect<void, CloseError | SendError> =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))

const inPieces = (connection: Connection): Effect.Effect<void, CloseError | SendError> =>
  Effect.forever(Effect.flatMap(connection.receiveStream, (message) => connection.sendStream(message)))

/** The same as callbacks, for the server that has no fiber for a connection. */
export const handlers: Handlers<CloseError | SendError> = {
  onMessage: (connection, message) => connection.send(message)
}
