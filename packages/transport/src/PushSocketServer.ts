/**
 * A server that accepts connections without fibers. Effect's `SocketServer` starts a fiber for each connection, which a
 * server with thousands of mostly idle connections cannot afford. Every server Layer of this package also provides this
 * service on the same listening socket; it passes each accepted connection to a callback.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketServerError } from "effect/socket/SocketServer"
import type { PushSocket } from "./Push.ts"

/**
 * An accepted connection that is not a socket yet, because its PROXY header or TLS handshake is pending.
 *
 * @category models
 * @since 0.1.0
 */
export interface Arrival {
  /** Address of the peer; `undefined` until a PROXY header has been read. */
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  /** Whether the peer has sent any byte, apart from the PROXY header. */
  readonly hasSent: boolean
  /** Drops the connection and frees its descriptor. `onDeparture` does not follow. */
  readonly drop: () => void
}

/**
 * Observes connections from the moment they are accepted, so that pending PROXY headers and TLS handshakes can be
 * counted and timed.
 *
 * **Details**
 *
 * Each arrival is followed by exactly one of: its socket (the second argument of `accept`'s callback), `onDeparture`,
 * or `drop`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArrivalListener {
  /** Reports an accepted connection. */
  readonly onArrival: (arrival: Arrival) => void
  /** Reports that a PROXY header gave the peer's address. Not called without such a header. */
  readonly onIdentity: (arrival: Arrival) => void
  /** Reports that the connection ended before it became a socket. */
  readonly onDeparture: (arrival: Arrival) => void
}

/**
 * Accepts connections without starting fibers.
 *
 * **Details**
 *
 * - `address`: address of the listening socket, with the actual port.
 * - `accept`: passes each connection to the callback until it is interrupted; never returns. The callback owns the
 *   socket: interrupting `accept`, or closing the server's Scope, leaves it open. Connections that arrived before are
 *   kept, up to the server's `maxPending`, and come first. A TLS server passes a socket after its handshake; `arrivals`
 *   reports the connection before that. Without `arrivals`, `maxPending` bounds the pending TLS handshakes: the oldest
 *   one is dropped.
 * - `stopAccepting`: stops listening, so that new connections are refused, and drops those that no `accept` has taken.
 *   Open connections stay open. Idempotent. Closing the server's Scope does the same.
 *
 * To respond with 503 while draining, keep `accept` running and close the Scope last.
 *
 * **Gotchas**
 *
 * One acceptor at a time: `accept`, or `SocketServer.run` of the same Layer, replaces the current acceptor until it is
 * interrupted. What a callback throws is logged and resets its connection; the server keeps running.
 *
 * @category services
 * @since 0.1.0
 */
export class PushSocketServer extends Context.Service<
  PushSocketServer,
  {
    readonly address: NetAddress.SocketAddress
    readonly accept: (
      onSocket: (socket: PushSocket, arrival: Arrival | undefined) => void,
      arrivals?: ArrivalListener
    ) => Effect.Effect<never, SocketServerError>
    readonly stopAccepting: Effect.Effect<void>
  }
>()("@effect-ws/transport/PushSocketServer") {}
