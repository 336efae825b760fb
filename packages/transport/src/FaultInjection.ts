/**
 * Layers that inject network faults into another transport: latency, low bandwidth, odd chunk sizes, stalls, resets and
 * black holes. For tests of everything that uses a socket. All randomness comes from a seed, and all time from Effect's
 * Clock, so that `TestClock` controls it. Without latency, bandwidth or stalls, no clock is used.
 *
 * Bytes are copied on write and held in a bounded pipe. A faulty socket cannot be upgraded to TLS: inject faults into a
 * TLS transport instead.
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
import type { Faults } from "./internal/Faults.ts"

export type { Faults } from "./internal/Faults.ts"

/**
 * Faults of a connection, as the faulty end sees them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Faults of both directions; those of one direction override them. */
  readonly both?: Faults | undefined
  /** Faults of the bytes that this end reads. */
  readonly inbound?: Faults | undefined
  /** Faults of the bytes that this end writes. */
  readonly outbound?: Faults | undefined
  /** Latch that blocks both directions while it is closed, for tests that interrupt the network. Default: open. */
  readonly gate?: Latch.Latch | undefined
  /** Seed of sizes and jitter; each connection of a Layer derives its own. Default: 1. */
  readonly seed?: number | undefined
  /** Maximum bytes in flight before writers wait. Default: 65536. */
  readonly pipeSize?: number | undefined
  /** Maximum time that a closed socket may take to pass on pending bytes before it is destroyed. Default: 2 seconds. */
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
 * Injects faults into a socket.
 *
 * **Details**
 *
 * Any Effect `Socket` works; the result implements the contract of `Push`. The pipes start when `reader` is acquired,
 * and one fiber runs them until the connection has ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (socket: Socket.Socket, options: Options): Socket.Socket =>
  makeDialed(connect(socket, () => options))

/**
 * Injects faults into the connections of a dialer.
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
 * Injects faults into the connections of a server.
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
 * Injects faults into both ends of a transport. Bytes pass through the faults of both ends.
 *
 * **Example** (A transport that delivers byte by byte)
 *
 * ```ts skip-type-checking
 * FaultInjection.layer({ both: { chunkSize: 1 } }).pipe(Layer.provide(Memory.layer({ port: 8000 })))
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
    // The pipes may still carry bytes when the reader's Scope closes, so the inner socket has a Scope of its own.
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
