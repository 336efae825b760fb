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
 * Accepts connections without starting fibers.
 *
 * **Details**
 *
 * - `address`: where it listens, with the real port.
 * - `accept`: hands each connection to the callback until it is interrupted; never returns. The callback owns the
 *   socket from then on: interrupting `accept`, or closing the server's Scope, leaves it open. Connections that arrived
 *   while nobody accepted were kept, up to the server's `maxPending`, and come first.
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
    readonly accept: (onSocket: (socket: PushSocket) => void) => Effect.Effect<never, SocketServerError>
    readonly stopAccepting: Effect.Effect<void>
  }
>()("@effect-ws/transport/PushSocketServer") {}
