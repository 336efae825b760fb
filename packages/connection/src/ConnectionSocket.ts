/**
 * A connection as an Effect `Socket`: what has been written for Effect's sockets, such as its RPC, runs over a
 * WebSocket of ours unchanged. One message is one chunk, text as a string and binary as bytes, so that message
 * boundaries survive.
 *
 * This wraps a connection that is open. A client that shall dial anew each time has `ClientSocket`, and a server's
 * connections come as sockets from `ConnectionSocketServer`.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import type { SendError } from "@effect-ws/protocol/SendError"
import { checkClose } from "@effect-ws/protocol/Session"
import * as Arr from "effect/Array"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { Connection } from "./Connection.ts"
import { isOwn } from "./internal/OwnConnection.ts"
import type { OwnConnection } from "./internal/OwnConnection.ts"
import * as Polling from "./Polling.ts"

/**
 * Makes a `Socket` of an open connection.
 *
 * **Details**
 *
 * Every end, the ordinary ones included, fails `pull` and `write` with a `SocketCloseError` that has the close code and
 * reason: 1005 for a close frame without a code, 1006 where the stream broke off. A `CloseEvent` that is written closes
 * the connection with its code, behind what was written before; a code that may not be sent is a `SocketWriteError`.
 * Writes wait while more than `writeHighWaterMark` bytes wait for the peer. The messages of one `writeAll` follow each
 * other, nothing else in between.
 *
 * Closing the Scope of the `reader` closes the connection with 1000, and fails at once a `pull` and a `write` that
 * wait. What was written still goes to the peer first. Releasing a `writer` does nothing: a WebSocket has no
 * half-close.
 *
 * **Gotchas**
 *
 * Use it in place of `messages` and its like, not beside them. There is one connection and no second: a `reader` that
 * is acquired again finds it closed. Nothing waits for the answer to a close frame; the owner of the connection does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConnection = (connection: Connection): Socket.Socket => {
  if (!isOwn(connection)) {
    throw new Error("only a connection that Accept or Connect made can be a socket")
  }
  return Socket.make({ reader: reader(connection), writer: Effect.succeed(writer(connection)) })
}

const reader = (connection: OwnConnection): Effect.Effect<Socket.Reader, never, Scope.Scope> =>
  Effect.gen(function* () {
    const events = Polling.pull(connection, [])
    // Begun last, so that it ends first: a program that waits in `pull` sees the close.
    yield* Effect.addFinalizer(() => Effect.sync(() => connection.detach(1000)))
    return {
      pull: events.pipe(
        Effect.map((batch) => Arr.map(batch as NonEmptyReadonlyArray<Message>, ({ data }) => data)),
        // The end of the stream does not say which ordinary end it was; the next receive does, at once.
        Effect.catchIf(Cause.isDone, () => Effect.flatMap(connection.receive, () => Effect.never)),
        Effect.mapError(toSocketError)
      ),
      upgrade: Socket.SocketUpgradeError.unsupported
    }
  })

const writer = (connection: OwnConnection): Socket.Writer => ({
  write: (chunk) => (Socket.isCloseEvent(chunk) ? close(connection, chunk) : send(connection, [chunk])),
  writeAll: (chunks) => send(connection, chunks)
})

const send = (
  connection: OwnConnection,
  chunks: ReadonlyArray<string | Uint8Array>
): Effect.Effect<void, Socket.SocketError> =>
  connection.queueAll(chunks).pipe(
    Effect.flatMap((mustWait) => (mustWait ? connection.drained : Effect.void)),
    Effect.mapError(toSocketError)
  )

const close = (connection: Connection, { code, reason }: Socket.CloseEvent): Effect.Effect<void, Socket.SocketError> =>
  Effect.suspend(() => {
    const misuse = checkClose(code, reason ?? "")
    return misuse === undefined ? beginClose(connection, code, reason) : Effect.fail(toSocketError(misuse))
  })

// Everything but the wait for the peer happens before this returns.
const beginClose = (connection: Connection, code: number, reason?: string): Effect.Effect<void> =>
  Effect.asVoid(Effect.forkDetach(connection.close(code, reason), { startImmediately: true }))

const toSocketError = (error: CloseError.CloseError | SendError): Socket.SocketError =>
  new Socket.SocketError({
    reason:
      error._tag === "SendError"
        ? new Socket.SocketWriteError({ cause: error })
        : new Socket.SocketCloseError({
            code: error.code,
            closeReason: error.reason === "" ? undefined : error.reason
          })
  })
