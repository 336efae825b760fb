/**
 * Rejects a connection before its request was read.
 */
import * as Accept from "@effect-ws/connection/Accept"
import * as Telemetry from "@effect-ws/connection/Telemetry"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Refusal } from "./Admission.ts"

export const rejectBeforeRequest = Effect.fnUntraced(function* (
  socket: Socket.Socket,
  { reason, status }: Refusal
): Effect.fn.Return<never, HandshakeRejection | Socket.SocketError, Scope.Scope> {
  const rejection = new HandshakeRejection({ rule: "Overloaded", status, reason })
  yield* Accept.reject(socket, rejection)
  return yield* rejection
}, Telemetry.refusing)
