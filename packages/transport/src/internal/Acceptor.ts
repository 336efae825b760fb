/**
 * Connects a listening socket to its acceptor: keeps connections that arrive early, passes them to the newest acceptor,
 * and provides both Effect's `SocketServer` and `PushSocketServer`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { SocketServer } from "effect/socket/SocketServer"
import type { PushSocket } from "../Push.ts"
import { PushSocketServer } from "../PushSocketServer.ts"
import type { Arrival, ArrivalListener } from "../PushSocketServer.ts"
import { limit } from "./options.ts"

interface Taker {
  readonly onSocket: (socket: PushSocket, arrival: Arrival | undefined) => void
  readonly arrivals: ArrivalListener | undefined
}

/** Default maximum of accepted connections that wait for an acceptor. */
export const defaultMaxPending = 1024

export class Acceptor {
  private readonly _takers: Array<Taker> = []
  private _pending: Array<PushSocket> = []
  private _maxPending: number
  // The listener of each connection that is not a socket yet.
  private readonly _arrivals = new Map<Arrival, ArrivalListener | undefined>()
  // Number of those connections that have no listener.
  private _unheard = 0
  private readonly _drop: (socket: PushSocket) => void

  /** `drop` rejects a connection for which there is no room; by default with a reset. */
  constructor(maxPending: number, drop: (socket: PushSocket) => void = reset) {
    this._maxPending = limit("maxPending", maxPending)
    this._drop = drop
  }

  /** Announces a connection that will become a socket later. The number of those without a listener is bounded. */
  arrive(arrival: Arrival): void {
    const listener = this._takers.at(-1)?.arrivals
    if (listener === undefined) {
      if (this._maxPending === 0) return arrival.drop()
      if (this._unheard >= this._maxPending) this._oldestUnheard()?.drop()
      this._unheard++
    }
    this._arrivals.set(arrival, listener)
    listener?.onArrival(arrival)
  }

  private _oldestUnheard(): Arrival | undefined {
    for (const [arrival, listener] of this._arrivals) if (listener === undefined) return arrival
    return undefined
  }

  private _tellUnheard(listener: ArrivalListener): void {
    this._unheard = 0
    const unheard = [...this._arrivals].filter(([, other]) => other === undefined)
    for (const [arrival] of unheard) {
      this._arrivals.set(arrival, listener)
      listener.onArrival(arrival)
    }
  }

  /** Reports that the PROXY header of an arrival was read. */
  identify(arrival: Arrival): void {
    this._arrivals.get(arrival)?.onIdentity(arrival)
  }

  /** Reports that the connection of an arrival ended before it became a socket. */
  depart(arrival: Arrival): void {
    this.forget(arrival)?.onDeparture(arrival)
  }

  /** Removes an arrival, and returns its listener. */
  forget(arrival: Arrival): ArrivalListener | undefined {
    const listener = this._arrivals.get(arrival)
    if (this._arrivals.delete(arrival) && listener === undefined) this._unheard--
    return listener
  }

  /** Passes a connection to the acceptor, keeps it for later, or drops it. */
  offer(socket: PushSocket, arrival?: Arrival): void {
    const taker = this._takers.at(-1)
    const listener = arrival === undefined ? undefined : this.forget(arrival)
    // The listener of the arrival may have stopped accepting connections since.
    const isHeard = listener !== undefined && listener === taker?.arrivals
    if (listener !== undefined && !isHeard) listener.onDeparture(arrival!)
    if (taker !== undefined) return taker.onSocket(socket, isHeard ? arrival : undefined)
    if (this._pending.length >= this._maxPending) this._pending = this._pending.filter((waiting) => !waiting.isClosed)
    if (this._pending.length >= this._maxPending) this._drop(socket)
    else this._pending.push(socket)
  }

  /** Accepts connections until interrupted. */
  take(onSocket: Taker["onSocket"], arrivals?: ArrivalListener): Effect.Effect<never> {
    return Effect.callback<never>(() => {
      const taker: Taker = { onSocket, arrivals }
      this._takers.push(taker)
      if (arrivals !== undefined) this._tellUnheard(arrivals)
      const pending = this._pending
      this._pending = []
      for (const socket of pending) if (!socket.isClosed) onSocket(socket, undefined)
      return Effect.sync(() => {
        this._takers.splice(this._takers.lastIndexOf(taker), 1)
      })
    })
  }

  /** Drops the connections that were not accepted, and keeps none from now on. */
  stop(): void {
    this._maxPending = 0
    const pending = this._pending
    this._pending = []
    for (const socket of pending) this._drop(socket)
  }

  /** Runs a handler for each connection in a fiber of its own. Interruption interrupts them and closes the sockets. */
  run<R, E, A>(handler: (socket: Socket.Socket) => Effect.Effect<A, E, R>): Effect.Effect<never, never, R> {
    return Effect.flatMap(Effect.context<R>(), (context) => {
      const scope = Scope.makeUnsafe()
      const track = Fiber.runIn(scope)
      // A handler opens its own Scope: the caller's Scope would retain every connection.
      const runFork = Effect.runForkWith(Context.omit(Scope.Scope)(context) as Context.Context<R>)
      return Effect.ensuring(
        this.take((socket) => {
          track(runFork(serve(socket, handler)))
        }),
        Scope.close(scope, Exit.void)
      )
    })
  }
}

const reset = (socket: PushSocket): void => socket.writerUnsafe.destroy()

const serve = <R, E, A>(
  socket: PushSocket,
  handler: (socket: Socket.Socket) => Effect.Effect<A, E, R>
): Effect.Effect<void, never, R> =>
  Effect.suspend(() => handler(socket)).pipe(
    Effect.ignoreCause({ log: "Unhandled", message: "Unhandled error in SocketServer" }),
    Effect.ensuring(Effect.sync(() => socket.close()))
  )

/** Provides both services on one acceptor. */
export const makeServices = (
  acceptor: Acceptor,
  address: NetAddress.SocketAddress,
  stopAccepting: Effect.Effect<void>
): Context.Context<SocketServer | PushSocketServer> =>
  Context.make(SocketServer, { address, run: (handler) => acceptor.run(handler) }).pipe(
    Context.add(PushSocketServer, {
      address,
      accept: (onSocket, arrivals) => acceptor.take(onSocket, arrivals),
      stopAccepting
    })
  )
