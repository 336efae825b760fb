/**
 * Effect's `SocketServer` starts a fiber for each connection. A server that drives thousands of mostly idle connections
 * from a queue cannot afford that, so every server Layer of this package also provides this service: the same listening
 * socket, handing out each accepted connection by a plain call.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketServerError } from "effect/socket/SocketServer"
import type { PushSocket } from "./Push.ts"

/**
 * A connection that was accepted and is not a socket yet, because its PROXY header or its TLS handshake is under way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Arrival {
  /** The address of the peer; `undefined` until the PROXY header has told it. */
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  /** Whether the peer has sent anything at all, the PROXY header aside. */
  readonly hasSent: boolean
  /** Drops the connection and frees its descriptor. `onDeparture` does not come. */
  readonly drop: () => void
}

/**
 * Hears of connections from the moment they are accepted, so that their PROXY headers and TLS handshakes can be counted
 * and timed.
 *
 * **Details**
 *
 * Each arrival is followed by exactly one of: its socket (the second argument of `accept`'s callback), `onDeparture`, or
 * `drop`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ArrivalListener {
  /** A connection was accepted. */
  readonly onArrival: (arrival: Arrival) => void
  /** The PROXY header told the address of the peer. It does not come where there is no such header. */
  readonly onIdentity: (arrival: Arrival) => void
  /** The connection ended before it became a socket. */
  readonly onDeparture: (arrival: Arrival) => void
}

/**
 * Accepts connections without starting fibers.
 *
 * **Details**
 *
 * - `address`: where it listens, with the real port.
 * - `accept`: hands each connection to the callback until it is interrupted; never returns. The callback owns the
 *   socket from then on: interrupting `accept`, or closing the server's Scope, leaves it open. Connections that arrived
 *   while nobody accepted were kept, up to the server's `maxPending`, and come first. A TLS server hands over a socket
 *   when its handshake is done; `arrivals` hears of the connection before that. Without it, TLS handshakes under way are
 *   bounded by `maxPending`: the one that began first makes room.
 * - `stopAccepting`: stops listening, so that new connections are refused, and drops those that nobody accepted yet.
 *   Open ones stay open. Idempotent. Closing the server's Scope does the same.
 *
 * To answer "503" while draining, keep `accept` running and close the Scope last.
 *
 * **Gotchas**
 *
 * One taker at a time: `accept`, or `SocketServer.run` of the same Layer, takes the connections over from whoever had
 * them, and gives them back when it is interrupted.
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
