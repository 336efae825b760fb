/**
 * Connects a listening socket to its acceptor: keeps connections that arrive early, passes them to the newest acceptor,
 * and provides both Effect's `SocketServer` and `PushSocketServer`.
 */
import * as Cause from "effect/Cause"
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
import { callEach } from "./callEach.ts"
import { limit } from "./options.ts"

/** A program that accepts connections. */
interface Taker {
  readonly onSocket: (socket: PushSocket, arrival: Arrival | undefined) => void
  readonly arrivals: ArrivalListener | undefined
  readonly context: Context.Context<never>
}

/** Default maximum of accepted connections that wait for an acceptor. */
export const defaultMaxPending = 1024

export class Acceptor {
  private readonly _takers: Array<Taker> = []
  private _pending: Array<PushSocket> = []
  private _maxPending: number
  // The acceptor that listens to each connection that is not a socket yet.
  private readonly _arrivals = new Map<Arrival, Taker | undefined>()
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
    const taker = this._takers.at(-1)
    const isHeard = taker?.arrivals !== undefined
    if (!isHeard) {
      if (this._maxPending === 0) return arrival.drop()
      if (this._unheard >= this._maxPending) this._oldestUnheard()?.drop()
      this._unheard++
    }
    this._arrivals.set(arrival, isHeard ? taker : undefined)
    if (isHeard) tell(taker, "onArrival", arrival)
  }

  private _oldestUnheard(): Arrival | undefined {
    for (const [arrival, taker] of this._arrivals) if (taker === undefined) return arrival
    return undefined
  }

  private _tellUnheard(taker: Taker): void {
    this._unheard = 0
    const unheard = [...this._arrivals].filter(([, other]) => other === undefined)
    for (const [arrival] of unheard) {
      this._arrivals.set(arrival, taker)
      tell(taker, "onArrival", arrival)
    }
  }

  /** Reports that the PROXY header of an arrival was read. */
  identify(arrival: Arrival): void {
    const taker = this._arrivals.get(arrival)
    if (taker !== undefined) tell(taker, "onIdentity", arrival)
  }

  /** Reports that the connection of an arrival ended before it became a socket. */
  depart(arrival: Arrival): void {
    const taker = this.forget(arrival)
    if (taker !== undefined) tell(taker, "onDeparture", arrival)
  }

  /** Removes an arrival, and returns the acceptor that listens to it. */
  forget(arrival: Arrival): Taker | undefined {
    const taker = this._arrivals.get(arrival)
    if (this._arrivals.delete(arrival) && taker === undefined) this._unheard--
    return taker
  }

  /** Passes a connection to the acceptor, keeps it for later, or drops it. */
  offer(socket: PushSocket, arrival?: Arrival): void {
    const taker = this._takers.at(-1)
    const listening = arrival === undefined ? undefined : this.forget(arrival)
    // The listener of the arrival may have stopped accepting connections since.
    const isHeard = listening !== undefined && listening.arrivals === taker?.arrivals
    if (listening !== undefined && !isHeard) tell(listening, "onDeparture", arrival!)
    if (taker !== undefined) return pass(taker, socket, isHeard ? arrival : undefined)
    if (this._pending.length >= this._maxPending) this._pending = this._pending.filter((waiting) => !waiting.isClosed)
    if (this._pending.length >= this._maxPending) this._drop(socket)
    else this._pending.push(socket)
  }

  /** Accepts connections until interrupted. */
  take(onSocket: Taker["onSocket"], arrivals?: ArrivalListener): Effect.Effect<never> {
    return Effect.contextWith((context: Context.Context<never>) =>
      Effect.callback<never>(() => {
        const taker: Taker = { onSocket, arrivals, context }
        this._takers.push(taker)
        if (arrivals !== undefined) this._tellUnheard(taker)
        const pending = this._pending
        this._pending = []
        for (const socket of pending) if (!socket.isClosed) pass(taker, socket, undefined)
        return Effect.sync(() => {
          this._takers.splice(this._takers.lastIndexOf(taker), 1)
        })
      })
    )
  }

  /** Drops the connections that were not accepted, and keeps none from now on. */
  stop(): void {
    this._maxPending = 0
    const pending = this._pending
    this._pending = []
    callEach(pending, this._drop)
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

// What `onSocket` throws costs the socket, and neither the others nor the process.
const pass = ({ context, onSocket }: Taker, socket: PushSocket, arrival: Arrival | undefined): void => {
  try {
    onSocket(socket, arrival)
  } catch (defect) {
    socket.writerUnsafe.destroy()
    logDefect(context, defect)
  }
}

// The same for a connection that is not a socket yet.
const tell = ({ arrivals, context }: Taker, event: keyof ArrivalListener, arrival: Arrival): void => {
  try {
    arrivals![event](arrival)
  } catch (defect) {
    arrival.drop()
    logDefect(context, defect)
  }
}

const logDefect = (context: Context.Context<never>, defect: unknown): void => {
  Effect.runForkWith(context)(
    Effect.logError("A server failed to take a connection, which is reset", Cause.die(defect))
  )
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
