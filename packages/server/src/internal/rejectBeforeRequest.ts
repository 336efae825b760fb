/**
 * Refuses a socket before its request was read.
 */
import * as Telemetry from "@effect-ws/connection/Telemetry"
import { HandshakeRejection, encode } from "@effect-ws/protocol/HandshakeRejection"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Refusal } from "./Admission.ts"

export const rejectBeforeRequest = Effect.fnUntraced(function* (
  socket: Socket.Socket,
  { reason, status }: Refusal
): Effect.fn.Return<never, HandshakeRejection | Socket.SocketError, Scope.Scope> {
  yield* socket.reader
  const writer = yield* socket.writer
  const rejection = new HandshakeRejection({ rule: "Overloaded", status, reason })
  yield* writer.write(encode(rejection))
  return yield* rejection
}, Telemetry.refusing)
