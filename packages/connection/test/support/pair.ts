/**
 * Both ends of one connection over the network in the context.
 */
import * as Accept from "@effect-ws/connection/Accept"
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import type { ConnectionOptions } from "@effect-ws/connection/ConnectionOptions"
import * as Dialer from "@effect-ws/transport/Dialer"
import { Deferred, Effect } from "effect"
import { SocketServer } from "effect/socket/SocketServer"

/** Connects a client to a server; by default the client never looks after its peer by itself. */
export const pair = Effect.fnUntraced(function* (
  server: ConnectionOptions,
  client: ConnectionOptions = { keepalive: false }
) {
  const sockets = yield* SocketServer
  const accepted = yield* Deferred.make<Connection>()
  yield* Effect.forkScoped(
    sockets.run((socket) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* Deferred.succeed(accepted, yield* Accept.accept(socket, server))
          return yield* Effect.never
        })
      )
    )
  )
  const dialer = yield* Dialer.Dialer
  const socket = yield* dialer.dial(sockets.address)
  const connection = yield* Connect.connect(socket, "ws://memory/", client)
  return { server: yield* Deferred.await(accepted), client: connection }
})
