import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { frame, open } from "./support/StubSocket.ts"

const text = (payload: string): Uint8Array => frame(0x81, payload)
const ping = (payload: string): Uint8Array => frame(0x89, payload)

describe("writing", () => {
  it.effect("answers everything in one chunk with one write", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      yield* Effect.forkChild(
        Stream.runForEach(connection.messages, (message) => connection.send(message)),
        { startImmediately: true }
      )
      socket.receive(text("one"), ping("x"), text("two"), text("three"))
      assert.strictEqual(socket.written.length, 1)
      assert.deepStrictEqual(socket.opcodes, [10, 1, 1, 1])
    })
  )

  it.effect("gathers what is sent in one turn into one write", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      yield* connection.send("one")
      yield* connection.send("two")
      yield* connection.flushed
      assert.strictEqual(socket.written.length, 1)
    })
  )

  it.effect("answers pings after a message that the system did not take at once", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      // Below the high-water mark, but not gone: no drain will be told.
      socket.pendingBytes = 30_000
      yield* connection.send(new Uint8Array(30_000))
      yield* Effect.yieldNow
      socket.pendingBytes = 0
      socket.receive(ping("x"))
      assert.deepStrictEqual(socket.opcodes, [2, 10])
    })
  )

  it.effect("answers only the newest ping while the peer does not read, and ahead of nothing else", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      socket.accepts = false
      yield* connection.send("one")
      yield* Effect.yieldNow
      for (let n = 0; n < 1000; n++) socket.receive(ping(`${n}`))
      assert.deepStrictEqual(socket.opcodes, [1])
      socket.drain()
      assert.deepStrictEqual(socket.opcodes, [1, 10])
      assert.strictEqual(Buffer.from(socket.written.at(-1)!.subarray(2)).toString(), "999")
    })
  )

  it.effect("makes send wait above the limit, and go on when the writer has drained", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ writeHighWaterMark: 1000 })
      socket.accepts = false
      socket.pendingBytes = 900
      yield* connection.send("x")
      yield* Effect.yieldNow
      socket.pendingBytes = 1100
      const sending = yield* Effect.forkChild(connection.send("y"), { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(sending.pollUnsafe())
      socket.drain()
      yield* Fiber.join(sending)
    })
  )

  it.effect("fails a send that waits when the connection breaks off", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ writeHighWaterMark: 10 })
      socket.accepts = false
      yield* connection.send("x")
      yield* Effect.yieldNow
      socket.pendingBytes = 1000
      const sending = yield* Effect.forkChild(Effect.flip(connection.send("y")), { startImmediately: true })
      socket.end()
      assert.strictEqual((yield* Fiber.join(sending))._tag, "AbnormalClosure")
    })
  )
})

describe("reading", () => {
  it.effect("pauses above the limit, and goes on when the program takes", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ receiveBufferSize: 1000 })
      socket.receive(text("x".repeat(600)))
      assert.isFalse(socket.isPaused)
      socket.receive(text("x".repeat(600)))
      assert.isTrue(socket.isPaused)
      yield* connection.receive
      assert.isFalse(socket.isPaused)
    })
  )

  it.effect("pauses above the limit for what came behind the handshake, and goes on when the program takes", () =>
    Effect.gen(function* () {
      const early = [text("x".repeat(600)), text("x".repeat(600))]
      const { connection, socket } = yield* open({ receiveBufferSize: 1000 }, early)
      assert.isTrue(socket.isPaused)
      yield* connection.receive
      assert.isFalse(socket.isPaused)
      socket.receive(text("x".repeat(600)))
      assert.isTrue(socket.isPaused)
    })
  )

  it.effect("pauses for a flood of empty messages too, since each costs memory", () =>
    Effect.gen(function* () {
      const { socket } = yield* open()
      let received = 0
      for (; received < 1_000_000 && !socket.isPaused; received += 100) {
        socket.receive(...Array.from({ length: 100 }, () => text("")))
      }
      assert.isBelow(received, 10_000)
    })
  )

  it.effect("pauses for a flood of pings that are observed and not taken", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      socket.receive(ping(""))
      yield* Stream.runDrain(Stream.take(connection.events(["Ping"]), 0))
      yield* Effect.forkChild(Stream.runDrain(Stream.take(connection.events(["Ping"]), 1)), { startImmediately: true })
      let received = 0
      for (; received < 1_000_000 && !socket.isPaused; received += 100) {
        socket.receive(...Array.from({ length: 100 }, () => ping("")))
      }
      assert.isBelow(received, 10_000)
    })
  )

  it.effect("gives each message once to readers that wait together", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const readers = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(connection.receive, { startImmediately: true })
      )
      socket.receive(text("a"), text("b"), text("c"))
      const got = yield* Effect.forEach(readers, Fiber.join)
      assert.deepStrictEqual(
        got.map((message) => message.data),
        ["a", "b", "c"]
      )
    })
  )

  it.effect("loses no message to a reader that was interrupted", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const reader = yield* Effect.forkChild(connection.receive, { startImmediately: true })
      yield* Fiber.interrupt(reader)
      socket.receive(text("kept"))
      assert.strictEqual((yield* connection.receive).data, "kept")
    })
  )
})

describe("streams of pieces", () => {
  const first = frame(0x01, "ab")
  const middle = frame(0x00, "cd")
  const last = frame(0x80, "ef")

  it.effect("come as the bytes do", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const waiting = yield* Effect.forkChild(connection.receiveStream, { startImmediately: true })
      socket.receive(first)
      const message = yield* Fiber.join(waiting)
      assert.strictEqual(message._tag, "Text")
      socket.receive(middle, last)
      const pieces = message._tag === "Text" ? yield* Stream.runCollect(message.chunks) : []
      assert.strictEqual(pieces.join(""), "abcdef")
    })
  )

  it.effect("that were not read at all are skipped, as are those that were begun", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      for (const pieces of [0, 1]) {
        const waiting = yield* Effect.forkChild(connection.receiveStream, { startImmediately: true })
        socket.receive(first)
        const message = yield* Fiber.join(waiting)
        if (message._tag === "Text") yield* Stream.runDrain(Stream.take(message.chunks, pieces))
        socket.receive(middle, last, text("next"))
        assert.strictEqual((yield* connection.receive).data, "next")
      }
      const waiting = yield* Effect.forkChild(connection.receiveStream, { startImmediately: true })
      socket.receive(first)
      yield* Fiber.join(waiting)
      socket.receive(middle, last, text("next"))
      const next = yield* connection.receiveStream
      assert.deepStrictEqual(next._tag === "Text" ? yield* Stream.runCollect(next.chunks) : [], ["next"])
    })
  )

  it.effect("begin with what was collected before anybody asked", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      socket.receive(first, middle)
      const message = yield* connection.receiveStream
      socket.receive(last)
      assert.deepStrictEqual(message._tag === "Text" ? yield* Stream.runCollect(message.chunks) : [], ["abcd", "ef"])
    })
  )
})
