/**
 * What the peer sends after our close frame and before its own (RFC 6455 5.5.1 lets it) is for a program that still
 * reads, and for no other program: it neither fills memory nor delays the end.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as ConnectionHandler from "../src/ConnectionHandler.ts"
import * as Polling from "../src/Polling.ts"
import { frame, open } from "./support/StubSocket.ts"

const text = (payload: string): Uint8Array => frame(0x81, payload)
const big = text("x".repeat(600))
const close = frame(0x88, Uint8Array.of(0x03, 0xe8))

/** Reads a connection in a fiber of its own, one message for each permit. */
const readSlowly = Effect.fnUntraced(function* (connection: Effect.Success<ReturnType<typeof open>>["connection"]) {
  const permits = yield* Queue.unbounded<void>()
  const given: Array<number> = []
  const reader = yield* Effect.forkChild(
    Stream.runForEach(connection.messages, ({ data }) => {
      given.push(data.length)
      return Queue.take(permits)
    }),
    { startImmediately: true }
  )
  return { given, permits, reader }
})

describe("messages that come after our close frame", () => {
  it.effect("go to a stream that is read, up to the peer's close frame", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const reader = yield* Effect.forkChild(Stream.runCollect(connection.messages), { startImmediately: true })
      socket.receive(text("before"))
      const closing = yield* Effect.forkChild(connection.close(4000), { startImmediately: true })
      yield* Effect.yieldNow
      assert.deepStrictEqual(socket.opcodes, [8])
      socket.receive(text("late"))
      socket.receive(text("later"), close, text("too late"))
      const messages = yield* Fiber.join(reader)
      assert.deepStrictEqual(
        messages.map(({ data }) => data),
        ["before", "late", "later"]
      )
      assert.isTrue((yield* Fiber.join(closing)).clean)
    })
  )

  it.effect("go to a fiber that waits in receive, and to one that reads when it has closed", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const reader = yield* Effect.forkChild(connection.receive, { startImmediately: true })
      const closing = yield* Effect.forkChild(connection.close(4000), { startImmediately: true })
      socket.receive(text("late"))
      assert.strictEqual((yield* Fiber.join(reader)).data, "late")
      socket.receive(text("later"), close)
      yield* Fiber.join(closing)
      assert.strictEqual((yield* connection.receive).data, "later")
      assert.strictEqual((yield* Effect.flip(connection.receive)).code, 4000)
    })
  )

  it.effect("go to a stream that is read after a drain", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const reader = yield* Effect.forkChild(Stream.runCollect(connection.messages), { startImmediately: true })
      yield* Effect.forkChild(connection.drain(1001), { startImmediately: true })
      yield* Effect.yieldNow
      assert.deepStrictEqual(socket.opcodes, [8])
      socket.receive(text("late"), close)
      assert.strictEqual((yield* Fiber.join(reader)).length, 1)
    })
  )

  it.effect("keep what was received and not taken when the program closed", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const { given, permits, reader } = yield* readSlowly(connection)
      socket.receive(text("a"), text("bb"), text("ccc"))
      yield* Effect.forkChild(connection.close(), { startImmediately: true })
      socket.receive(text("dddd"), close)
      yield* Queue.offerAll(permits, [undefined, undefined, undefined, undefined])
      yield* Fiber.join(reader)
      assert.deepStrictEqual(given, [1, 2, 3, 4])
    })
  )

  it.effect("hold the peer back while a reader is slow, and none is lost", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ receiveBufferSize: 1000, closeTimeout: "1 minute" })
      const { given, permits, reader } = yield* readSlowly(connection)
      socket.receive(text("a"))
      yield* Effect.forkChild(connection.close(), { startImmediately: true })
      for (let round = 0; round < 5; round++) {
        socket.receive(big, big, big)
        assert.isTrue(socket.isPaused)
        for (let step = 0; step < 3; step++) {
          yield* TestClock.adjust("900 millis")
          yield* Queue.offer(permits, undefined)
          yield* Effect.yieldNow
        }
        assert.isFalse(socket.isPaused)
      }
      socket.receive(close)
      yield* Queue.offer(permits, undefined)
      yield* Fiber.join(reader)
      assert.deepStrictEqual(given, [1, ...Array.from({ length: 15 }, () => 600)])
    })
  )

  it.effect("hold the end up no longer than closeReplyTimeout for a reader that takes nothing", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ receiveBufferSize: 1000, closeReplyTimeout: "2 seconds" })
      yield* readSlowly(connection)
      socket.receive(text("a"))
      const closing = yield* Effect.forkChild(connection.close(), { startImmediately: true })
      socket.receive(big, big)
      assert.isTrue(socket.isPaused)
      yield* TestClock.adjust("1999 millis")
      assert.isTrue(socket.isPaused)
      yield* TestClock.adjust("1 millis")
      assert.isFalse(socket.isPaused)
      for (let count = 0; count < 100; count++) socket.receive(big)
      assert.isBelow(connection.buffered.inbound, 2000)
      assert.isFalse(socket.isPaused)
      socket.receive(close)
      assert.isTrue((yield* Fiber.join(closing)).clean)
    })
  )

  it.effect("hold nothing up where the fiber that reads is the one that closes, or none reads", () =>
    Effect.gen(function* () {
      for (const reads of [true, false]) {
        const { connection, socket } = yield* open({ receiveBufferSize: 1000 })
        const closing = yield* Effect.forkChild(
          Effect.andThen(reads ? connection.receive : Effect.void, connection.close()),
          { startImmediately: true }
        )
        if (reads) socket.receive(text("a"))
        for (let count = 0; count < 100; count++) socket.receive(big)
        assert.isFalse(socket.isPaused)
        assert.isBelow(connection.buffered.inbound, 2000)
        socket.receive(close)
        assert.isTrue((yield* Fiber.join(closing)).clean)
        // The first of them are there, and none behind a gap.
        assert.strictEqual((yield* Stream.runCollect(connection.messages)).length, 2)
      }
    })
  )

  it.effect("are dropped where the program of the connection has ended, or takes events until it closes", () =>
    Effect.gen(function* () {
      const ended = yield* open()
      yield* Effect.forkChild(
        ConnectionHandler.run(ended.connection, () => Effect.void),
        { startImmediately: true }
      )
      const pulled = yield* open()
      const pull = Polling.pull(pulled.connection, [])
      yield* Effect.forkChild(pulled.connection.close(), { startImmediately: true })
      for (const { connection, socket } of [ended, pulled]) {
        socket.receive(text("late"))
        assert.strictEqual(connection.buffered.inbound, 0)
      }
      assert.strictEqual((yield* Effect.flip(pull))._tag, "Done")
    })
  )
})
