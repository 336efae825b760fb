import type { Connection } from "@effect-ws/connection/Connection"
import * as Message from "@effect-ws/protocol/Message"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { pair } from "./support/pair.ts"

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

  it.effect("with `recycle` is gone when the next message is asked for, and not before", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ recycle: true })
      yield* client.send(bytes(16_000, 1))
      const first = yield* server.receive
      assert.deepStrictEqual(first, Message.binary(bytes(16_000, 1)))
      yield* Effect.forkScoped(client.send(bytes(16_000, 2)))
      const second = yield* server.receive
      assert.deepStrictEqual(second, Message.binary(bytes(16_000, 2)))
      assert.strictEqual(first.data.length, 0)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("with `recycle` is intact on its way back, copied or by reference, and in pieces", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ recycle: true })
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

  it.effect("of texts is nobody's: they are whole whatever became of their chunks", () =>
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
})
