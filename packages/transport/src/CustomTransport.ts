/**
 * The parts of your own transport, in addition to its sockets: a socket that connects when its reader is
 * acquired, the two services of a server, and errors that name the address. `NodeDuplex.fromDuplex` makes a socket of
 * any Node stream. `docs/transports.md` writes a transport with these, and tests it.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import { Acceptor, defaultMaxPending, makeServices } from "./internal/Acceptor.ts"
import { makeDialed } from "./internal/dial.ts"
import * as errors from "./internal/errors.ts"
import type { PushSocket } from "./Push.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"

/**
 * Makes the socket that a `Dialer` gives.
 *
 * **Details**
 *
 * Each acquisition of its `reader` runs `connect`, whose Scope must close the connection. Its `writer` writes to the
 * connection that is open, and waits while there is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dialed: (connect: Effect.Effect<PushSocket, Socket.SocketError, Scope.Scope>) => Socket.Socket = makeDialed

/**
 * The server's end of a transport.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** Hands over a connection that the transport accepted. */
  readonly push: (socket: PushSocket) => void
  /** What the transport's Layer provides. */
  readonly services: Context.Context<SocketServer | PushSocketServer>
}

/**
 * Makes the services of a server out of the connections that are pushed to it.
 *
 * **Details**
 *
 * `close` runs when the server stops accepting, which it does when the Scope closes at the latest: it frees the address
 * and leaves open connections alone. It may run more than once. Connections that no program takes wait, up to
 * `maxPending` (default 1024); those above are reset.
 *
 * @category constructors
 * @since 0.1.0
 */
export const listener = (options: {
  readonly address: NetAddress.SocketAddress
  readonly close: Effect.Effect<void>
  readonly maxPending?: number | undefined
}): Effect.Effect<Listener, never, Scope.Scope> =>
  Effect.suspend(() => {
    const acceptor = new Acceptor(options.maxPending ?? defaultMaxPending)
    const stop = Effect.andThen(
      options.close,
      Effect.sync(() => acceptor.stop())
    )
    return Effect.as(
      Effect.addFinalizer(() => stop),
      { push: (socket: PushSocket) => acceptor.offer(socket), services: makeServices(acceptor, options.address, stop) }
    )
  })

/**
 * Makes the error of a connection that could not be opened: "cannot connect to ADDRESS: CAUSE".
 *
 * @category errors
 * @since 0.1.0
 */
export const openError: (address: string, cause: unknown) => Socket.SocketError = errors.openError

/**
 * Makes the error of a server that could not listen: "cannot listen on ADDRESS: CAUSE".
 *
 * @category errors
 * @since 0.1.0
 */
export const listenError: (address: string, cause: unknown) => SocketServerError = errors.listenError
