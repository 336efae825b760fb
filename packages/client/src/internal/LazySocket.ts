/**
 * A socket that an effect opens, as a `Dialer` returns it. Each acquisition of its reader opens a new connection.
 */
import type { PeerInfo } from "@effect-ws/transport/Push"
import * as Push from "@effect-ws/transport/Push"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"

/** Both ends of an open socket. */
export interface OpenSocket {
  readonly reader: Socket.Reader
  readonly writer: Socket.Writer
}

/** Acquires both ends of a socket, of the same connection. */
export const openSocket = (socket: Socket.Socket): Effect.Effect<OpenSocket, Socket.SocketError, Scope.Scope> =>
  Effect.flatMap(socket.reader, (reader) => {
    // The reader of our transports is both ends, and closes both with its Scope.
    if (Socket.isSocket(reader) && Push.isPushSocket(reader)) {
      return Effect.succeed<OpenSocket>({ reader, writer: reader.writerUnsafe })
    }
    return Effect.map(socket.writer, (writer): OpenSocket => ({ reader, writer: Push.boundWriter(reader, writer) }))
  })

/** Makes a socket from an effect that opens one. Closing the effect's Scope must close the socket. */
export const makeLazy = (open: Effect.Effect<OpenSocket, Socket.SocketError, Scope.Scope>): Socket.Socket => {
  let current: OpenSocket | undefined
  const opened = Latch.makeUnsafe(false)
  const whenOpen = (
    write: (writer: Socket.Writer) => Effect.Effect<void, Socket.SocketError>
  ): Effect.Effect<void, Socket.SocketError> =>
    Effect.suspend(() => (current === undefined ? opened.whenOpen(whenOpen(write)) : write(current.writer)))
  const socket = Socket.make({
    reader: Effect.flatMap(open, (ends) => {
      current = ends
      opened.openUnsafe()
      return Effect.as(
        Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (current !== ends) return
            current = undefined
            opened.closeUnsafe()
          })
        ),
        ends.reader
      )
    }),
    writer: Effect.succeed({
      write: (chunk) => whenOpen((writer) => writer.write(chunk)),
      writeAll: (chunks) => whenOpen((writer) => writer.writeAll(chunks))
    })
  })
  return Object.defineProperty(socket, Push.PeerTypeId, {
    get: (): PeerInfo | undefined => (current === undefined ? undefined : Push.peerInfo(current.reader))
  })
}
