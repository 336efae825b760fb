import * as Frame from "@effect-ws/protocol/Frame"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { PendingPings } from "../src/internal/keepalive/PendingPings.ts"
import type { Connection } from "../src/Connection.ts"
import * as Polling from "../src/Polling.ts"
import { pair } from "./support/pair.ts"
import { frame, open } from "./support/StubSocket.ts"

const keepalive = { interval: "20 seconds", timeout: "10 seconds" } as const

const pingsOf = (frames: ReadonlyArray<{ readonly _tag: string }>): number =>
  frames.filter((event) => event._tag === "Ping").length

describe("keepalive", () => {
  it.effect("asks a silent peer, and takes its pong for life", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      const seen: Array<{ readonly _tag: string }> = []
      yield* Effect.forkScoped(
        Stream.runForEach(client.events(["Ping"]), (event) => Effect.sync(() => seen.push(event)))
      )
      yield* Effect.forkScoped(Stream.runDrain(server.messages))
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(pingsOf(seen), 0)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(pingsOf(seen), 1)
      yield* TestClock.adjust("100 seconds")
      assert.isAtLeast(pingsOf(seen), 4)
      assert.strictEqual(Duration.toMillis(server.latency ?? Duration.infinity), 0)
      const closeInfo = yield* client.close(1000)
      assert.isTrue(closeInfo.clean)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("tells a poller of silence, once, and again after there was something", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive })
      let times = 0
      Polling.poll(connection, [], { onReady: () => {}, onIdle: () => times++ }).done()
      // A tick is a quarter of the shorter time: 2.5 seconds.
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(times, 0)
      socket.receive(frame(0x89))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(times, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(times, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(times, 1)
      socket.receive(frame(0x89))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(times, 2)
    })
  )

  it.effect("any byte is life: a peer that talks is not asked", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      const seen: Array<{ readonly _tag: string }> = []
      yield* Effect.forkScoped(
        Stream.runForEach(client.events(["Ping"]), (event) => Effect.sync(() => seen.push(event)))
      )
      yield* Effect.forkScoped(Stream.runDrain(server.messages))
      for (let at = 0; at < 20; at++) {
        yield* client.send("still here")
        yield* TestClock.adjust("10 seconds")
      }
      assert.strictEqual(pingsOf(seen), 0)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("fails with 1011 when a peer is silent after the ping", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      // A program that answers no ping: it takes frames by hand and its session is never told to read.
      const ended = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(server.messages)))
      yield* Effect.sync(() => (client as unknown as { reader: { pause(): void } }).reader.pause())
      yield* TestClock.adjust("60 seconds")
      const error = yield* Fiber.join(ended)
      assert.strictEqual(error._tag, "InternalError")
      assert.strictEqual(error.reason, "keepalive timeout")
      const closeInfo = yield* server.closed
      assert.isTrue(closeInfo.failed)
      assert.strictEqual(closeInfo.initiator, "local")
      assert.deepStrictEqual(closeInfo.sent, { code: 1011, reason: "keepalive timeout" })
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("a peer that waits for us to read is not silent", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive, receiveBufferSize: 10 })
      yield* client.send("more than ten bytes, which are not read")
      yield* TestClock.adjust("200 seconds")
      assert.strictEqual((yield* server.receive).data, "more than ten bytes, which are not read")
      yield* server.sendFrame(Frame.text("and back"))
      assert.strictEqual((yield* client.receive).data, "and back")
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("is off when told so", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive: false })
      const seen: Array<{ readonly _tag: string }> = []
      yield* Effect.forkScoped(
        Stream.runForEach(client.events(["Ping"]), (event) => Effect.sync(() => seen.push(event)))
      )
      yield* Effect.forkScoped(Stream.runDrain(server.messages))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(pingsOf(seen), 0)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )
})

/** The end of a connection; `undefined` while it is open. */
const endOf = (connection: Connection): CloseInfo | undefined => connection.closeInfo

/** Lets what was sent in this turn be written. */
const turn = Effect.andThen(
  Effect.yieldNow,
  Effect.promise(() => Promise.resolve())
)

/** A connection whose peer takes nothing of what was sent, until the test says so. */
const blocked = Effect.fnUntraced(function* (options: Parameters<typeof open>[0] = {}, bytes = 60_000) {
  const opened = yield* open({ keepalive, ...options })
  Polling.poll(opened.connection, [], { onReady: () => {}, readsWhileBlocked: true }).done()
  opened.socket.takes = false
  yield* opened.connection.send(new Uint8Array(bytes))
  yield* turn
  return opened
})

describe("keepalive and output", () => {
  it.effect("a peer that takes what it is sent lives, however slowly and whatever it says", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      for (let at = 0; at < 30; at++) {
        socket.pendingBytes -= 1000
        yield* TestClock.adjust("20 seconds")
      }
      assert.isUndefined(endOf(connection))
      assert.isFalse(socket.isDestroyed)
    })
  )

  it.effect("output that is blocked and does not move ends the connection, also where the peer talks", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      for (let at = 0; at < 30; at++) {
        socket.receive(frame(0x82, "still here"))
        yield* TestClock.adjust("1 second")
      }
      assert.isUndefined(endOf(connection))
      yield* TestClock.adjust("5 seconds")
      const closeInfo = endOf(connection)
      assert.strictEqual(closeInfo?.error._tag, "InternalError")
      assert.strictEqual(closeInfo?.error.reason, "keepalive timeout")
      assert.isTrue(socket.isDestroyed)
    })
  )

  it.effect("bytes that the system takes at once prove nothing", () =>
    Effect.gen(function* () {
      const { connection } = yield* open({ keepalive })
      Polling.poll(connection, [], { onReady: () => {} }).done()
      for (let at = 0; at < 29; at++) {
        yield* connection.send(new Uint8Array(100))
        yield* TestClock.adjust("1 second")
      }
      assert.isUndefined(endOf(connection))
      yield* connection.send(new Uint8Array(100))
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(endOf(connection)?.sent?.code, 1011)
    })
  )

  it.effect("the time of a pong starts when the system has taken the ping", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked({}, 70_000)
      for (let at = 0; at < 10; at++) {
        socket.pendingBytes -= 1
        yield* TestClock.adjust("20 seconds")
      }
      assert.notInclude(socket.opcodes, 9)
      socket.takes = true
      socket.drain()
      yield* turn
      assert.include(socket.opcodes, 9)
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(endOf(connection))
      socket.receive(frame(0x8a, "1"))
      yield* TestClock.adjust("19 seconds")
      assert.isUndefined(endOf(connection))
    })
  )

  it.effect("a pong has the time that the peer needs for what the system holds, and not for ever", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      // 1000 bytes a second: the system holds 60 000 in the end.
      for (let at = 0; at < 59; at++) {
        socket.pendingBytes -= 1000
        yield* TestClock.adjust("1 second")
      }
      socket.takes = true
      socket.drain()
      yield* TestClock.adjust("60 seconds")
      assert.isUndefined(endOf(connection))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(endOf(connection)?.sent?.code, 1011)
    })
  )

  it.effect("is the same over a network of little bandwidth", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      const sent = yield* Effect.forkScoped(server.send(new Uint8Array(1_000_000)), { startImmediately: true })
      const received = yield* Effect.forkScoped(client.receive)
      // 100 seconds' worth, three times the keepalive.
      yield* Effect.forkScoped(Stream.runDrain(server.messages))
      yield* TestClock.adjust("95 seconds")
      assert.isUndefined(received.pollUnsafe())
      assert.isUndefined(server.closeInfo)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Fiber.join(received)).data.length, 1_000_000)
      yield* Fiber.join(sent)
      yield* TestClock.adjust("60 seconds")
      assert.isUndefined(server.closeInfo)
    }).pipe(
      Effect.provide(
        FaultInjection.layer({ both: { bandwidth: 10_000 } }).pipe(Layer.provide(Memory.layer({ port: 80 })))
      )
    )
  )
})

describe("keepalive over a network in memory", () => {
  it.effect("ends a peer that has stopped reading, while much waits for it, within idle and timeout", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      yield* Effect.forkScoped(Stream.runDrain(server.messages).pipe(Effect.ignore))
      yield* Effect.sync(() => (client as unknown as { reader: { pause(): void } }).reader.pause())
      const sending = yield* Effect.forkScoped(
        Effect.flip(Effect.forEach(Array.from({ length: 5 }), () => server.send(new Uint8Array(100_000)))),
        { startImmediately: true }
      )
      yield* TestClock.adjust("27 seconds")
      assert.isUndefined(endOf(server))
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(endOf(server)?.error.reason, "keepalive timeout")
      assert.strictEqual((yield* Fiber.join(sending))._tag, "InternalError")
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )
})

describe("while nothing is read", () => {
  it.effect("a ping is still written each interval, so that a reset is noticed", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive, receiveBufferSize: 10 })
      socket.receive(frame(0x82, "more than ten bytes, which are not taken"))
      assert.isTrue(socket.isPaused)
      yield* TestClock.adjust("101 seconds")
      assert.deepStrictEqual(socket.opcodes, [9, 9, 9, 9, 9])
      assert.isUndefined(endOf(connection))
    })
  )

  it.effect("a peer that talks is not asked, even where each tick finds us not reading for a moment", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive, receiveBufferSize: 10 })
      for (let at = 0; at < 100; at++) {
        socket.receive(frame(0x82, "more than ten bytes"))
        yield* TestClock.adjust("1 second")
        assert.isTrue(socket.isPaused)
        yield* connection.receive
        assert.isFalse(socket.isPaused)
      }
      assert.deepStrictEqual(socket.opcodes, [])
    })
  )

  it.effect("a handler that takes nothing for handlerStallTimeout ends the connection", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({
        keepalive,
        receiveBufferSize: 10,
        handlerStallTimeout: "60 seconds"
      })
      for (let at = 0; at < 3; at++) {
        socket.receive(frame(0x82, "more than ten bytes"), frame(0x82, "and more than ten"))
        yield* TestClock.adjust("50 seconds")
        assert.isUndefined(endOf(connection))
        yield* connection.receive
      }
      yield* TestClock.adjust("65 seconds")
      assert.deepStrictEqual(endOf(connection)?.sent, { code: 1011, reason: "handler stalled" })
    })
  )

  it.effect("a handler that waits for a peer that still reads has not stalled", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({
        keepalive: false,
        receiveBufferSize: 10,
        handlerStallTimeout: "60 seconds"
      })
      socket.takes = false
      yield* Effect.forkScoped(
        Effect.andThen(connection.send(new Uint8Array(100_000)), connection.send(new Uint8Array(1)))
      )
      yield* turn
      socket.receive(frame(0x82, "more than ten bytes"))
      yield* TestClock.adjust("10 minutes")
      assert.isUndefined(endOf(connection))
      socket.takes = true
      socket.drain()
      yield* TestClock.adjust("65 seconds")
      assert.strictEqual(endOf(connection)?.sent?.reason, "handler stalled")
    })
  )
})

describe("pings without a pong", () => {
  it("are kept once, however many the keepalive sends", () => {
    const pings = new PendingPings()
    for (let id = 1; id <= 1000; id++) pings.ask(id, BigInt(id))
    assert.isUndefined(pings.onPong(999, 2000n))
    assert.strictEqual(Duration.toMillis(pings.onPong(1000, 3_001_000n) ?? Duration.infinity), 3)
    assert.isUndefined(pings.onPong(1000, 4_000_000n))
  })
})
