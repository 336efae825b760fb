import type { Connection } from "@effect-ws/connection/Connection"
import * as Message from "@effect-ws/protocol/Message"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import * as GcPacing from "../src/internal/receive/gcPacing.ts"
import { pair } from "./support/pair.ts"
import { frame, open } from "./support/StubSocket.ts"

const bytes = (size: number, value: number): Uint8Array => new Uint8Array(size).fill(value)

// Takes `count` messages and looks at all of them when the last is there.
const keep = (connection: Connection, count: number): Effect.Effect<ReadonlyArray<Message.Message>> =>
  Effect.orDie(Stream.runCollect(Stream.take(connection.messages, count)))

describe("memory of what was received", () => {
  it.effect("belongs to the program, which may keep it", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      yield* Effect.forkScoped(
        Effect.forEach([1, 2, 3, 4, 5, 6], (value) =>
          Effect.andThen(client.send(bytes(16_000, value)), Effect.yieldNow)
        )
      )
      const kept = yield* keep(server, 6)
      kept.forEach((message, at) => assert.deepStrictEqual(message, Message.binary(bytes(16_000, at + 1))))
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("with `reuseReceiveBuffers` is gone when the next message is asked for, and not before", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ reuseReceiveBuffers: true })
      yield* client.send(bytes(16_000, 1))
      const first = yield* server.receive
      assert.deepStrictEqual(first, Message.binary(bytes(16_000, 1)))
      yield* Effect.forkScoped(client.send(bytes(16_000, 2)))
      const second = yield* server.receive
      assert.deepStrictEqual(second, Message.binary(bytes(16_000, 2)))
      assert.strictEqual(first.data.length, 0)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("with `reuseReceiveBuffers` is intact on its way back, copied or by reference, and in pieces", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ reuseReceiveBuffers: true })
      yield* Effect.forkScoped(Stream.runForEach(server.messages, (message) => server.send(message)))
      for (const size of [1, 5000, 16_384, 16_385, 60_000, 300_000]) {
        const sent = [bytes(size, 1), "text ".repeat(size / 5), bytes(size, 2)]
        yield* Effect.forkScoped(Effect.forEach(sent, (data) => client.send(data)))
        const kept = yield* keep(client, 3)
        assert.deepStrictEqual(
          kept.map(({ data }) => data),
          sent
        )
      }
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("of texts is their own: they are whole whatever becomes of their chunks", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      const texts = Array.from({ length: 40 }, (_, at) => String(at).repeat(3000))
      yield* Effect.forkScoped(Effect.forEach(texts, (text) => client.send(text, { fragmentSize: 1000 })))
      const kept = yield* keep(server, texts.length)
      assert.deepStrictEqual(
        kept.map(({ data }) => data),
        texts
      )
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("is freed once, be it by the session that has put a message together", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      socket.ownsMemory = true
      const text = "abcde".repeat(4000)
      const whole = frame(0x81, text)
      const chunks = [whole.slice(0, 8), whole.slice(8, 8008), whole.slice(8008)]
      for (const chunk of chunks) socket.receiveChunk(chunk)
      assert.deepStrictEqual(yield* connection.receive, Message.text(text))
      assert.deepStrictEqual(
        chunks.map((chunk) => chunk.length),
        [8, 0, 0]
      )
    })
  )

  it.effect("is freed though a part of the next message came with it, which is whole when the rest has come", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ reuseReceiveBuffers: true })
      socket.ownsMemory = true
      const [one, two] = [frame(0x82, bytes(16_000, 1)), frame(0x82, bytes(1000, 2))]
      socket.receive(one, two.subarray(0, 500))
      const first = yield* connection.receive
      assert.deepStrictEqual(first, Message.binary(bytes(16_000, 1)))
      const second = yield* Effect.forkScoped(connection.receive)
      yield* Effect.yieldNow
      assert.strictEqual(first.data.length, 0)
      socket.receive(two.subarray(500))
      assert.deepStrictEqual(yield* Fiber.join(second), Message.binary(bytes(1000, 2)))
    })
  )

  it.effect("is freed only where the transport says that it is not shared", () =>
    Effect.gen(function* () {
      for (const ownsMemory of [true, false]) {
        const { connection, socket } = yield* open({})
        socket.ownsMemory = ownsMemory
        const text = frame(0x81, "x".repeat(16_000))
        const { length } = text
        socket.receiveChunk(text)
        assert.deepStrictEqual(yield* connection.receive, Message.text("x".repeat(16_000)))
        assert.strictEqual(text.length, ownsMemory ? 0 : length)
      }
    })
  )

  it.effect("is not freed where something else may lie before or behind it", () =>
    Effect.gen(function* () {
      for (const offset of [0, 10, 65_536 - frame(0x81, "x".repeat(16_000)).length]) {
        const { connection, socket } = yield* open({})
        socket.ownsMemory = true
        const memory = new Uint8Array(65_536)
        const text = frame(0x81, "x".repeat(16_000))
        memory.set(text, offset)
        socket.receiveChunk(memory.subarray(offset, offset + text.length))
        yield* connection.receive
        assert.strictEqual(memory.length, 65_536)
      }
    })
  )

  // Each of them is enough for some garbage of its own.
  const size = 60_000
  for (const [what, first, options, isLeft] of [
    ["a binary message", 0x82, {}, true],
    ["the beginning of a message", 0x02, {}, true],
    ["a text message in shared memory", 0x81, { isShared: true }, true],
    ["a text message", 0x81, {}, false],
    ["a binary message with `reuseReceiveBuffers`", 0x82, { reuses: true }, false],
    [
      "a binary message with `reuseReceiveBuffers` that is on its way back",
      0x82,
      { reuses: true, isBackedUp: true },
      true
    ]
  ] as const) {
    it.effect(
      `is ${isLeft ? "left to the collector, which is made to come for it" : "freed without it"}: ${what}`,
      () =>
        Effect.gen(function* () {
          const settings: { reuses?: boolean; isShared?: boolean; isBackedUp?: boolean } = options
          const { connection, socket } = yield* open({ reuseReceiveBuffers: settings.reuses })
          socket.ownsMemory = settings.isShared !== true
          const before = GcPacing.sink
          const chunk = frame(first, first === 0x81 ? "x".repeat(size) : bytes(size, 1))
          socket.receiveChunk(chunk)
          if (settings.isBackedUp === true) socket.pendingBytes = size
          yield* Effect.forkScoped(Stream.runDrain(connection.messages))
          yield* Effect.yieldNow
          assert.strictEqual(GcPacing.sink !== before, isLeft)
          assert.strictEqual(chunk.length > 0, isLeft)
        })
    )
  }
})
