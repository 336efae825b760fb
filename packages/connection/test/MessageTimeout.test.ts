import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { frame, open } from "./support/StubSocket.ts"

const opening = [0x82, 0xfe, 0x10, 0x00, 0, 0, 0, 0]
const quiet = { keepalive: false } as const

describe("messageTimeout", () => {
  for (const [name, bytes] of [
    ["a message without its last fragment", [...frame(0x01, "half")]],
    ["a frame without the rest of its payload", [...opening, 1, 2, 3]],
    ["a frame without the rest of its header", [0x82, 0xfe, 0x10]]
  ] as const) {
    it.effect(`fails ${name} with 1008 after 30 seconds without a byte`, () =>
      Effect.gen(function* () {
        const { connection, socket } = yield* open(quiet)
        socket.receive(...bytes)
        yield* TestClock.adjust("29 seconds")
        assert.deepStrictEqual(socket.opcodes, [])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([...socket.written[0]!.subarray(0, 4)], [0x88, 17, 0x03, 0xf0])
        assert.strictEqual(Buffer.from(socket.written[0]!.subarray(4)).toString(), "message timeout")
        socket.end()
        assert.strictEqual((yield* connection.closed).error._tag, "PolicyViolation")
      })
    )
  }

  it.effect("fails a message when only pings arrive in the middle of it", () =>
    Effect.gen(function* () {
      const { socket } = yield* open(quiet)
      socket.receive(...frame(0x01, "half"))
      for (let at = 0; at < 4; at++) {
        yield* TestClock.adjust("9 seconds")
        socket.receive(...frame(0x89, "x"))
      }
      assert.deepStrictEqual(socket.opcodes, [10, 10, 10, 8])
    })
  )

  it.effect("leaves a message alone that goes on, byte by byte", () =>
    Effect.gen(function* () {
      const { socket } = yield* open(quiet)
      socket.receive(...opening)
      for (let at = 0; at < 20; at++) {
        yield* TestClock.adjust("25 seconds")
        socket.receive(at)
      }
      assert.deepStrictEqual(socket.opcodes, [])
      yield* TestClock.adjust("34 seconds")
      assert.deepStrictEqual(socket.opcodes, [8])
    })
  )

  it.effect("leaves a connection alone between messages", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open(quiet)
      socket.receive(...frame(0x01, "a"), ...frame(0x80, "b"))
      socket.receive(0x82)
      socket.receive(0x80, 0, 0, 0, 0)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(socket.opcodes, [])
      assert.isUndefined(connection.closeInfo)
    })
  )

  it.effect("does not count time in which this end does not read", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ ...quiet, receiveBufferSize: 100 })
      socket.receive(...frame(0x82, new Uint8Array(200)), ...opening)
      assert.isTrue(socket.isPaused)
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(socket.opcodes, [])
      yield* connection.receive
      assert.isFalse(socket.isPaused)
      yield* TestClock.adjust("29 seconds")
      assert.deepStrictEqual(socket.opcodes, [])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(socket.opcodes, [8])
    })
  )

  it.effect("is an option, and can be switched off", () =>
    Effect.gen(function* () {
      const short = yield* open({ ...quiet, messageTimeout: "2 seconds" })
      const never = yield* open({ ...quiet, messageTimeout: false })
      short.socket.receive(...opening)
      never.socket.receive(...opening)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([short.socket.opcodes, never.socket.opcodes], [[8], []])
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(never.socket.opcodes, [])
    })
  )
})
