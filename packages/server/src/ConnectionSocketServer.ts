/**
 * A WebSocket server as an Effect `SocketServer`: what has been written for Effect's socket servers, such as the server
 * of its RPC, speaks WebSocket unchanged. It stands between such a program and the transport, which is a `SocketServer`
 * too: handshakes, limits, origins, drain and everything else are those of `WebSocketServer`.
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
 * The connection that a handler's socket stands for, in the context of that handler: the request, the address of the
 * peer, and what the handshake's decision attached.
 *
 * **Gotchas**
 *
 * `SocketServer.run` cannot say in its type that it provides this: ask with `Effect.serviceOption`.
 *
 * @category services
 * @since 0.1.0
 */
export class CurrentConnection extends Context.Service<CurrentConnection, Connection>()(
  "@effect-ws/server/ConnectionSocketServer/CurrentConnection"
) {}

/**
 * Makes a `SocketServer` whose sockets are WebSocket connections.
 *
 * **Details**
 *
 * Sockets are those of `ConnectionSocket`: one message is one chunk. Each handler has the `CurrentConnection` and the
 * context that `decide` attached. A handler that returns closes its connection with 1000; one that fails closes it with
 * 1011, or with its code where it fails with a typed close, and the failure is logged. The handshakes begin with `run`;
 * interrupting it drains, as `WebSocketServer` does.
 *
 * **Gotchas**
 *
 * One `run` at a time: a second one takes the listener over.
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
        WebSocketServer.make((connection) => converse(connection, handler), options).pipe(
          Effect.andThen(Effect.never),
          Effect.scoped,
          Effect.updateContext((caller: Context.Context<R2>) =>
            Context.mergeAll(transport, caller, listenerOf(transport))
          )
        )
    })
  )

type Handler<R, E, _> = (socket: Socket.Socket) => Effect.Effect<_, E, R>

// Whoever calls `run` has a `SocketServer` in the context too: this one.
const listenerOf = <R>(
  transport: Context.Context<SocketServer.SocketServer | R>
): Context.Context<SocketServer.SocketServer> =>
  Context.pick(SocketServer.SocketServer, PushSocketServer)(transport as Context.Context<SocketServer.SocketServer>)

const converse = <R, E, _>(connection: Connection, handler: Handler<R, E, _>): Effect.Effect<_, E, R> =>
  Effect.updateContext(handler(ConnectionSocket.fromConnection(connection)), (context: Context.Context<R>) =>
    Context.merge(context, Context.add(connection.context, CurrentConnection, connection))
  )

/**
 * Provides a `SocketServer` of WebSocket connections over one of a transport.
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
