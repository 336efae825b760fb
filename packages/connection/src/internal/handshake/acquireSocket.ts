/**
 * Takes both ends of a socket for one connection, and releases them with the Scope: first the connection, which learns
 * that it is over, then the socket.
 */
import * as Push from "@effect-ws/transport/Push"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Connection } from "../../Connection.ts"
import { isOwn } from "../OwnConnection.ts"
import type { OwnConnection } from "../OwnConnection.ts"

export interface AcquiredSocket {
  readonly reader: Socket.Reader
  readonly writer: Socket.Writer
  /** The connection, once there is one. */
  connection: OwnConnection | undefined
}

export const acquireSocket = (
  socket: Socket.Socket
): Effect.Effect<AcquiredSocket, Socket.SocketError, Scope.Scope> => {
  if (!Push.isPushSocket(socket)) {
    return Effect.zipWith(socket.reader, socket.writer, (reader, writer): AcquiredSocket => ({
      reader,
      writer: Push.boundWriter(reader, writer),
      connection: undefined
    })).pipe(Effect.tap((held) => Effect.addFinalizer(() => Effect.sync(() => held.connection?.release()))))
  }
  // An open socket of ours needs one finalizer, where acquiring its ends would take two more.
  const held: AcquiredSocket = { reader: socket.readerUnsafe, writer: socket.writerUnsafe, connection: undefined }
  const release = Effect.sync(() => releaseSocket(socket, held.connection))
  return Effect.flatMap(Effect.scope, (scope) => Effect.as(Scope.addFinalizer(scope, release), held))
}

/** Releases a connection, if one was made, and then its socket. */
export const releaseSocket = (socket: Socket.Socket, connection: Connection | undefined): void => {
  if (connection !== undefined && isOwn(connection)) connection.release()
  if (Push.isPushSocket(socket)) socket.close()
}
