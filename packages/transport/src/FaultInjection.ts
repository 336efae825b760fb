/**
 * A bad network as a Layer around a good one: late, narrow, chopped into odd pieces, stalling, resetting, or silently
 * gone. For tests of everything that sits on a socket. Nothing is random but for a seed, and all time is Effect's, so
 * that `TestClock` drives it; without latency, bandwidth or stalls it asks no clock at all.
 *
 * Bytes are copied when they are written, and held in a bounded pipe while they are on their way. TLS cannot be started
 * on a faulty socket: make a TLS transport faulty instead.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { SocketServer } from "effect/socket/SocketServer"
import { Dialer } from "./Dialer.ts"
import { Acceptor, defaultMaxPending, makeServices } from "./internal/Acceptor.ts"
import { makeDialed } from "./internal/dial.ts"
import { FaultPipe, makeRandom } from "./internal/FaultPipe.ts"
import { FaultyDuplex } from "./internal/FaultyDuplex.ts"
import type { FaultySettings, Inner } from "./internal/FaultyDuplex.ts"
import { boundWriter, isPushWriter } from "./Push.ts"
import type { PushSocket } from "./Push.ts"
import { PushSocketServer } from "./PushSocketServer.ts"
import { limit, millis } from "./internal/options.ts"

/**
 * What is wrong with one direction of a connection. Each default is: nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  /** How long each byte is on its way. Bytes in flight do not wait for each other. */
  readonly latency?: Duration.Input | undefined
  /** How much longer it may take, chosen anew for each chunk; bytes keep their order. */
  readonly jitter?: Duration.Input | undefined
  /** How many bytes pass in a second. */
  readonly bandwidth?: number | undefined
  /** How large the pieces are that chunks are cut into: so many bytes at most, or between two sizes. */
  readonly chunkSize?: number | readonly [min: number, max: number] | undefined
  /** Stops once, after so many bytes, for a while. */
  readonly stall?: { readonly after: number; readonly duration: Duration.Input } | undefined
  /** Resets the connection after so many bytes: this end reads ECONNRESET, the other sees what its network shows. */
  readonly resetAfter?: number | undefined
  /**
   * Passes nothing after so many bytes, no end and no reset either, as when a cable is cut: what is written waits, and
   * what is awaited never comes.
   */
  readonly blackholeAfter?: number | undefined
}

/**
 * What is wrong with a connection, as the faulty end sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Faults of both directions; those of a direction are laid over them. */
  readonly both?: Faults | undefined
  /** Faults of what this end reads. */
  readonly inbound?: Faults | undefined
  /** Faults of what this end writes. */
  readonly outbound?: Faults | undefined
  /** While it is closed nothing passes in either direction: for tests that break and mend the network. Default: open. */
  readonly gate?: Latch.Latch | undefined
  /** What sizes and jitter are drawn from; each connection of a Layer draws its own. Default: 1. */
  readonly seed?: number | undefined
  /** How many written bytes may be on their way before writers wait. Default: 65536. */
  readonly pipeSize?: number | undefined
  /** How long a closed socket may take to pass on what was written before it is destroyed. Default: 2 seconds. */
  readonly lingerTimeout?: Duration.Input | undefined
}

/**
 * Options for each connection, counted from 0 in the order in which they open.
 *
 * @category models
 * @since 0.1.0
 */
export type OptionsFor = Options | ((connection: number) => Options)

/**
 * Makes a socket faulty.
 *
 * **Details**
 *
 * Any Effect `Socket` will do; what comes out can push. The lines start when the `reader` is acquired, and are served by
 * a fiber of their own until the connection has ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (socket: Socket.Socket, options: Options): Socket.Socket =>
  makeDialed(connect(socket, () => options))

/**
 * Makes a dialer's connections faulty.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer = (options: OptionsFor): Layer.Layer<Dialer, never, Dialer> =>
  Layer.effect(
    Dialer,
    Effect.map(Dialer, (inner) => {
      const next = counter(options)
      return {
        dial: (address, dialOptions) =>
          Effect.map(inner.dial(address, dialOptions), (socket) => makeDialed(connect(socket, next)))
      }
    })
  )

/**
 * Makes a server's connections faulty.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  options: OptionsFor
): Layer.Layer<SocketServer | PushSocketServer, never, PushSocketServer> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const inner = yield* PushSocketServer
      const context = yield* Effect.context<never>()
      const next = counter(options)
      const acceptor = new Acceptor(defaultMaxPending)
      const runFork = Effect.runForkWith(context)
      yield* Effect.forkScoped(
        inner.accept((socket) => acceptor.offer(start(innerOf(socket), next(), runFork))),
        { startImmediately: true }
      )
      const stop = Effect.andThen(
        inner.stopAccepting,
        Effect.sync(() => acceptor.stop())
      )
      yield* Effect.addFinalizer(() => stop)
      return makeServices(acceptor, inner.address, stop)
    })
  )

/**
 * Makes both ends of a transport faulty, each by itself: bytes from one to the other pass through the faults of both.
 *
 * **Example** (A transport that delivers byte by byte)
 *
 * ```ts skip-type-checking
 * Faulty.layer({ both: { chunkSize: 1 } }).pipe(Layer.provide(Memory.layer({ port: 8000 })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: OptionsFor
): Layer.Layer<SocketServer | PushSocketServer | Dialer, never, PushSocketServer | Dialer> =>
  Layer.merge(layerServer(options), layerDialer(options))

const counter = (options: OptionsFor): (() => Options) => {
  let connections = 0
  return () => {
    const index = connections++
    if (typeof options === "function") return options(index)
    return { ...options, seed: (options.seed ?? 1) + index }
  }
}

const start = (inner: Inner, options: Options, runFork: FaultySettings["runFork"]): FaultyDuplex => {
  const seed = options.seed ?? 1
  const duplex = new FaultyDuplex(inner, {
    inbound: new FaultPipe({ ...options.both, ...options.inbound }, makeRandom(seed), options.gate),
    outbound: new FaultPipe({ ...options.both, ...options.outbound }, makeRandom(-seed), options.gate),
    pipeSize: limit("pipeSize", options.pipeSize ?? 65536, 1),
    lingerTimeout: millis("lingerTimeout", options.lingerTimeout ?? "2 seconds"),
    runFork
  })
  duplex.start()
  return duplex
}

const innerOf = (socket: PushSocket): Inner => ({
  reader: socket.readerUnsafe,
  writer: socket.writerUnsafe,
  end: Effect.sync(() => socket.writerUnsafe.shutdown()),
  close: () => socket.close(),
  destroy: () => socket.writerUnsafe.destroy()
})

const connect = (
  socket: Socket.Socket,
  next: () => Options
): Effect.Effect<PushSocket, Socket.SocketError, Scope.Scope> =>
  Effect.gen(function* () {
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    // The lines may be busy when the reader's Scope closes: what they run over has a Scope of its own.
    const scope = Scope.makeUnsafe()
    const close = (): void => void runFork(Scope.close(scope, Exit.void))
    let release = close
    yield* Effect.addFinalizer(() => Effect.sync(() => release()))
    const reader = yield* Scope.provide(socket.reader, scope)
    const writing = Scope.forkUnsafe(scope)
    const writer = boundWriter(reader, yield* Scope.provide(socket.writer, writing))
    const destroy = isPushWriter(writer)
      ? (): void => {
          writer.destroy()
          close()
        }
      : (): void => {
          runFork(
            Effect.andThen(Effect.ignore(writer.write(new Socket.CloseEvent(1006))), Scope.close(scope, Exit.void))
          )
        }
    const duplex = start({ reader, writer, end: Scope.close(writing, Exit.void), close, destroy }, next(), runFork)
    release = () => duplex.close()
    return duplex
  })
