import * as CloseError from "@effect-ws/protocol/CloseError"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Polling from "../src/Polling.ts"
import { frame, open } from "./support/StubSocket.ts"
import type { StubSocket } from "./support/StubSocket.ts"

/** Lets what was sent in this turn be written. */
const turn = Effect.andThen(
  Effect.yieldNow,
  Effect.promise(() => Promise.resolve())
)

/** Drains the transport, again and again, until nothing more is written. */
const drainAll = (socket: StubSocket): void => {
  for (let count = -1; count !== socket.written.length;) {
    count = socket.written.length
    socket.drain()
  }
}

const binary = (bytes: number): Uint8Array => new Uint8Array(bytes)

/** A connection whose transport takes nothing, and whose sends do not wait. */
const blocked = Effect.fnUntraced(function* (options: Parameters<typeof open>[0] = {}) {
  const opened = yield* open({ keepalive: false, ...options })
  opened.socket.takes = false
  const poll = Polling.poll(opened.connection, ["Pong", "Sent"], { onReady: () => {} })
  poll.done()
  return { ...opened, poll }
})

describe("what waits for the transport", () => {
  it.effect("lets a pong go before data", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      for (let at = 0; at < 5; at++) yield* connection.send(binary(60_000))
      yield* turn
      assert.deepStrictEqual(socket.opcodes, [2])
      socket.receive(frame(0x89, "1"), frame(0x89, "2"))
      drainAll(socket)
      assert.deepStrictEqual(socket.opcodes, [2, 10, 2, 2, 2, 2])
      assert.strictEqual(Buffer.concat(socket.written).includes(Buffer.from([0x8a, 1, 0x32])), true)
    })
  )

  it.effect("lets a ping go before data, and takes the newest for those before", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      for (let at = 0; at < 5; at++) yield* connection.send(binary(60_000))
      yield* turn
      const pings = yield* Effect.forkScoped(
        Effect.all([connection.ping(new Uint8Array([1])), connection.ping(new Uint8Array([2]))], {
          concurrency: "unbounded"
        }),
        { startImmediately: true }
      )
      drainAll(socket)
      assert.deepStrictEqual(socket.opcodes, [2, 9, 2, 2, 2, 2])
      socket.receive(frame(0x8a, new Uint8Array([2])))
      assert.strictEqual((yield* Fiber.join(pings)).length, 2)
    })
  )

  it.effect("never cuts into a frame, however large", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      yield* connection.send(binary(300_000))
      yield* connection.send(binary(20_000))
      yield* turn
      // The header and the payload of the first.
      assert.strictEqual(Buffer.concat(socket.written).length, 300_010)
      socket.receive(frame(0x89, "1"))
      drainAll(socket)
      assert.deepStrictEqual(socket.opcodes, [2, 10, 2])
    })
  )

  it.effect("is not given to a transport above its high-water mark", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      for (let at = 0; at < 300; at++) yield* connection.send(binary(1000))
      for (let at = 0; at < 10; at++) yield* connection.send(binary(20_000))
      yield* turn
      let before = 0
      for (let round = 0; round < 20; round++) {
        const written = Buffer.concat(socket.written).length
        assert.isAtMost(written - before, 65_536)
        before = written
        socket.drain()
      }
      assert.strictEqual(before, 300 * 1004 + 10 * 20_004)
    })
  )

  it.effect("holds no more than writeHighWaterMark and one message where send waits", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive: false })
      socket.takes = false
      const sending = yield* Effect.forkScoped(
        Effect.forEach(Array.from({ length: 1000 }), () => connection.send(binary(1000)), { discard: true }),
        { startImmediately: true }
      )
      for (let at = 0; at < 10; at++) yield* turn
      assert.isUndefined(sending.pollUnsafe())
      assert.isAtMost(connection.buffered.outbound, 65_536 + 1004)
      assert.isAtLeast(connection.buffered.outbound, 65_536)
    })
  )

  it.effect("goes before the close frame of a program, which follows all that was sent", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      for (let at = 0; at < 3; at++) yield* connection.send(binary(60_000))
      yield* turn
      yield* Effect.forkScoped(connection.close(1000), { startImmediately: true })
      drainAll(socket)
      assert.deepStrictEqual(socket.opcodes, [2, 2, 2, 8])
    })
  )

  it.effect("is dropped where this end fails the connection: the close frame goes first", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* blocked()
      for (let at = 0; at < 3; at++) yield* connection.send(binary(60_000))
      yield* turn
      connection.sender.failUnsafe(new CloseError.TryAgainLater({ reason: "too slow" }))
      assert.isAtMost(connection.buffered.outbound, 60_004 + 20)
      drainAll(socket)
      assert.deepStrictEqual(socket.opcodes, [2, 8])
    })
  )

  it.effect("is told of as sent when the transport has it, whatever overtook it", () =>
    Effect.gen(function* () {
      const { connection, poll, socket } = yield* blocked()
      for (let at = 0; at < 3; at++) yield* connection.send(binary(60_000 + at))
      yield* turn
      socket.receive(frame(0x89, "1"))
      const sizes: Array<number> = []
      for (let round = 0; round < 4; round++) {
        socket.drain()
        yield* turn
        for (const event of poll.take(10)) if (event._tag === "Sent") sizes.push(event.message.data.length)
      }
      assert.deepStrictEqual(sizes, [60_000, 60_001, 60_002])
    })
  )

  it.effect("keeps messages from the handlers of a peer that does not read, but not what tells of its own", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive: false, receiveBufferSize: 1000 })
      socket.takes = false
      let calls = 0
      const poll = Polling.poll(connection, ["Sent"], { onReady: () => calls++ })
      poll.done()
      for (let at = 0; at < 3; at++) yield* connection.send(binary(60_000))
      yield* turn
      socket.drain()
      yield* turn
      assert.deepStrictEqual(
        poll.take(10).map(({ _tag }) => _tag),
        ["Sent"]
      )
      assert.isTrue(poll.done())
      assert.strictEqual(calls, 1)
      // It is read on, until what waits for the handlers fills the buffer.
      socket.receive(frame(0x82, "one"))
      assert.isFalse(socket.isPaused)
      socket.receive(frame(0x82, binary(2000)))
      assert.isTrue(socket.isPaused)
      assert.strictEqual(calls, 1)
      drainAll(socket)
      yield* turn
      assert.strictEqual(calls, 2)
      assert.include(
        poll.take(10).map(({ _tag }) => _tag),
        "Binary"
      )
    })
  )
})
