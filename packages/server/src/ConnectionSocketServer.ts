/**
 * A WebSocket server as an Effect `SocketServer`: a program written for Effect's socket servers, such as the server of
 * its RPC, speaks WebSocket unchanged. It stands between the program and the transport, which is a `SocketServer` too.
 * Handshakes, limits, origin checks and drain are those of `WebSocketServer`.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as ConnectionSocket from "@effect-ws/connection/ConnectionSocket"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import { perListener } from "./internal/perListener.ts"
import * as WebSocketServer from "./WebSocketServer.ts"

/**
 * The connection of a handler's socket, in the context of that handler: it has the request, the address of the peer,
 * and the context that `decide` returned.
 *
 * **Gotchas**
 *
 * The type of `SocketServer.run` cannot say that it provides this service: read it with `Effect.serviceOption`.
 *
 * @category services
 * @since 0.1.0
 */
export class CurrentConnection extends Context.Service<CurrentConnection, Connection>()(
  "@effect-ws/server/ConnectionSocketServer/CurrentConnection"
) {}

/**
 * Creates a `SocketServer` whose sockets are WebSocket connections.
 *
 * **Details**
 *
 * The sockets are those of `ConnectionSocket`: one message is one chunk. Each handler has the `CurrentConnection` and
 * the context that `decide` returned. The connection closes with 1000 when its handler returns, with the handler's code
 * when it fails with a typed close error, and with 1011 when it fails otherwise; failures are logged. `run` accepts
 * handshakes; interrupting it drains, as `WebSocketServer` does.
 *
 * **Gotchas**
 *
 * Use one `run` at a time: a second one takes over the listener.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  options?: WebSocketServer.ServerOptions<R>
): Effect.Effect<SocketServer.SocketServer["Service"], never, SocketServer.SocketServer | Exclude<R, Scope.Scope>> =>
  Effect.contextWith((transport: Context.Context<SocketServer.SocketServer | Exclude<R, Scope.Scope>>) =>
    Effect.succeed({
      address: Context.get(transport, SocketServer.SocketServer).address,
      run: <R2, E, _>(handler: Handler<R2, E, _>) =>
        WebSocketServer.make((connection) => runHandler(connection, handler), options).pipe(
          Effect.andThen(Effect.never),
          Effect.scoped,
          Effect.updateContext((caller: Context.Context<R2>) =>
            Context.mergeAll(transport, caller, listenerOf(transport))
          )
        )
    })
  )

type Handler<R, E, _> = (socket: Socket.Socket) => Effect.Effect<_, E, R>

// The caller of `run` has a `SocketServer` in its context too, namely this one. The server needs the transport's.
const listenerOf = <R>(
  transport: Context.Context<SocketServer.SocketServer | R>
): Context.Context<SocketServer.SocketServer> =>
  Context.pick(SocketServer.SocketServer, PushSocketServer)(transport as Context.Context<SocketServer.SocketServer>)

const runHandler = <R, E, _>(connection: Connection, handler: Handler<R, E, _>): Effect.Effect<_, E, R> =>
  Effect.updateContext(handler(ConnectionSocket.fromConnection(connection)), (context: Context.Context<R>) =>
    Context.merge(context, Context.add(connection.context, CurrentConnection, connection))
  )

/**
 * Provides a `SocketServer` of WebSocket connections over the `SocketServer` of a transport.
 *
 * **Example** (Effect RPC over WebSocket)
 *
 * ```ts skip-type-checking
 * RpcServer.layerProtocolSocketServer.pipe(
 *   Layer.provide(ConnectionSocketServer.layer({ paths: ["/rpc"] })),
 *   Layer.provide([Tcp.layerServer({ port: 8000 }), RpcSerialization.layerJson])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  options?: WebSocketServer.ServerOptions<R>
): Layer.Layer<SocketServer.SocketServer, never, SocketServer.SocketServer | Exclude<R, Scope.Scope>> =>
  perListener(SocketServer.SocketServer, make(options))
