/**
 * What a program plugs into a transport may throw. That keeps nothing else from being called: no other writer, not the
 * sink, and no other socket of a server.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Fiber, Logger } from "effect"
import { NetAddress } from "effect/net"
import { TestClock } from "effect/testing"
import * as CustomTransport from "../src/CustomTransport.ts"
import type { ByteSink, PushSocket } from "../src/Push.ts"
import { Acceptor } from "../src/internal/Acceptor.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import type { Arrival, ArrivalListener } from "../src/PushSocketServer.ts"
import * as SharedTimeouts from "../src/SharedTimeouts.ts"
import { TestDuplex } from "./support/TestDuplex.ts"

const bug = (): never => {
  throw new Error("a bug of the program")
}

/** Runs an effect whose end the program observes with a function that throws. */
const runBroken = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<void> =>
  Effect.sync(() => void Effect.runCallback(effect, { onExit: bug }))

const wait = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Fiber.Fiber<string>> =>
  Effect.forkDetach(
    Effect.map(Effect.exit(effect), ({ _tag }) => _tag),
    { startImmediately: true }
  )

const sinkOf = (calls: Array<string>): ByteSink => ({
  onChunk: () => void calls.push("chunk"),
  onDrain: () => void calls.push("drain"),
  onEnd: () => void calls.push("end"),
  onClose: () => void calls.push("close")
})

describe("a socket with a writer whose fiber is observed by what throws", () => {
  /** A socket with a sink and two writers that wait for a drain, the first of them broken. */
  const blocked = Effect.gen(function* () {
    const duplex = new TestDuplex()
    duplex.subscribe(sinkOf(duplex.calls))
    yield* runBroken(duplex.write("x"))
    const other = yield* wait(duplex.write("x"))
    return { duplex, other }
  })

  it.effect("resumes the other at a drain, and tells its sink", () =>
    Effect.gen(function* () {
      const { duplex, other } = yield* blocked
      assert.throws(() => duplex.drain(), "a bug of the program")
      assert.strictEqual(yield* Fiber.join(other), "Success")
      assert.deepStrictEqual(duplex.calls, ["drain"])
    })
  )

  it.effect("fails the other when the transport closes, and tells its sink", () =>
    Effect.gen(function* () {
      const { duplex, other } = yield* blocked
      assert.throws(() => duplex.end(), "a bug of the program")
      assert.strictEqual(yield* Fiber.join(other), "Failure")
      assert.deepStrictEqual(duplex.calls, ["close"])
    })
  )

  it.effect("fails the other when it is closed, and closes the transport", () =>
    Effect.gen(function* () {
      const { duplex, other } = yield* blocked
      assert.throws(() => duplex.close(), "a bug of the program")
      assert.strictEqual(yield* Fiber.join(other), "Failure")
      assert.deepStrictEqual(duplex.calls, ["finish"])
    })
  )
})

describe("a socket with a reader whose fiber is observed by what throws", () => {
  it.effect("closes the transport", () =>
    Effect.gen(function* () {
      const duplex = new TestDuplex()
      yield* runBroken(duplex.pull)
      assert.throws(() => duplex.close(), "a bug of the program")
      assert.deepStrictEqual(duplex.calls, ["finish"])
    })
  )

  it.effect("fails its writers when the transport closes", () =>
    Effect.gen(function* () {
      const duplex = new TestDuplex()
      yield* runBroken(duplex.pull)
      const writer = yield* wait(duplex.write("x"))
      assert.throws(() => duplex.end(), "a bug of the program")
      assert.strictEqual(yield* Fiber.join(writer), "Failure")
    })
  )
})

describe("a callback of a server that throws", () => {
  it.effect("costs the socket, and the server goes on", () => {
    const logs: Array<string> = []
    const capture = Logger.layer([
      Logger.make(({ cause, logLevel, message }) => void logs.push(`${logLevel} ${message} ${Cause.pretty(cause)}`))
    ])
    return Effect.gen(function* () {
      const listener = yield* CustomTransport.listener({
        address: NetAddress.unixPathAddress("test"),
        close: Effect.void
      })
      const sockets = Array.from({ length: 4 }, () => new TestDuplex())
      for (const socket of sockets.slice(0, 2)) listener.push(socket)
      const accepted: Array<PushSocket> = []
      const onSocket = (socket: PushSocket): void => {
        if (socket === sockets[0] || socket === sockets[2]) bug()
        accepted.push(socket)
      }
      const accepting = yield* PushSocketServer.use((server) => server.accept(onSocket)).pipe(
        Effect.provide(listener.services),
        Effect.forkChild({ startImmediately: true })
      )
      for (const socket of sockets.slice(2)) listener.push(socket)
      assert.deepStrictEqual(accepted, [sockets[1]!, sockets[3]!])
      assert.deepStrictEqual(
        sockets.map(({ calls }) => calls),
        [["abort"], [], ["abort"], []]
      )
      assert.isUndefined(accepting.pollUnsafe())
      assert.strictEqual(logs.length, 2)
      for (const log of logs) assert.match(log, /^Error A server failed to take a connection.*a bug of the program/s)
    }).pipe(Effect.scoped, Effect.provide(capture))
  })

  it.effect("for a connection that is not a socket yet costs that connection", () =>
    Effect.gen(function* () {
      const acceptor = new Acceptor(10)
      const dropped: Array<string> = []
      const arrivalOf = (name: string): Arrival => {
        const arrival: Arrival = {
          remoteAddress: NetAddress.unixPathAddress(name),
          hasSent: false,
          drop: () => {
            dropped.push(name)
            acceptor.forget(arrival)
          }
        }
        return arrival
      }
      const names = ["early", "early broken", "late broken", "late"]
      const [early, earlyBroken, lateBroken, late] = names.map(arrivalOf) as [Arrival, Arrival, Arrival, Arrival]
      const told: Array<Arrival> = []
      const listener: ArrivalListener = {
        onArrival: (arrival) => {
          if (arrival === earlyBroken || arrival === lateBroken) bug()
          told.push(arrival)
        },
        onIdentity: bug,
        onDeparture: bug
      }
      acceptor.arrive(earlyBroken)
      acceptor.arrive(early)
      yield* Effect.forkChild(
        acceptor.take(() => {}, listener),
        { startImmediately: true }
      )
      acceptor.arrive(lateBroken)
      acceptor.arrive(late)
      assert.deepStrictEqual(told, [early, late])
      assert.deepStrictEqual(dropped, ["early broken", "late broken"])
      acceptor.identify(early)
      acceptor.depart(late)
      assert.deepStrictEqual(dropped.slice(2), ["early", "late"])
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("while it stops drops the other sockets", () =>
    Effect.gen(function* () {
      const sockets = Array.from({ length: 2 }, () => new TestDuplex())
      sockets[0]!.destroy = bug
      yield* Effect.scoped(
        Effect.gen(function* () {
          const listener = yield* CustomTransport.listener({
            address: NetAddress.unixPathAddress("test"),
            close: Effect.void
          })
          for (const socket of sockets) listener.push(socket)
        })
      ).pipe(Effect.exit)
      assert.deepStrictEqual(sockets[1]!.calls, ["abort"])
    })
  )
})

describe("a timeout that throws", () => {
  it.effect("keeps none of those that share its timer from expiring, nor later ones", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const expired: Array<string> = []
      const start = (name: string, expire: () => void = () => void expired.push(name)) =>
        SharedTimeouts.start(Duration.seconds(1), clock, { expire })
      start("broken", bug)
      start("other")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(expired, ["other"])
      start("later")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(expired, ["other", "later"])
    })
  )
})
