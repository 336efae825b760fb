import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Client, Memory, Message } from "effect-ws"
import * as Echo from "../src/echo.ts"

const network = Layer.fresh(Memory.layer({ port: 80 }))

const messages = [
  Message.text("Grüße"),
  Message.text(""),
  Message.binary(Uint8Array.from({ length: 70_000 }, (_, at) => at))
]

describe("echo", () => {
  for (const [name, server] of Object.entries(Echo)) {
    it.effect(`as ${name}`, () =>
      Effect.gen(function* () {
        const connection = yield* Client.connect("ws://echo.test/")
        yield* Effect.forkChild(Effect.forEach(messages, (message) => connection.send(message, { fragmentSize: 9000 })))
        const echoes = yield* Stream.runCollect(Stream.take(connection.messages, messages.length))
        assert.deepStrictEqual(echoes, messages)
        assert.isTrue((yield* connection.close()).clean)
      }).pipe(Effect.provide(server.pipe(Layer.provideMerge(network))))
    )
  }

  it.effect("of frames keeps how a message was cut", () =>
    Effect.gen(function* () {
      const connection = yield* Client.connect("ws://echo.test/")
      yield* connection.send("one message", { fragmentSize: 4 })
      const frames = yield* Stream.runCollect(Stream.take(connection.frames, 3))
      assert.deepStrictEqual(
        frames.map(({ fin, payload }) => [fin, Buffer.from(payload).toString()]),
        [
          [false, "one "],
          [false, "mess"],
          [true, "age"]
        ]
      )
    }).pipe(Effect.provide(Echo.frames.pipe(Layer.provideMerge(network))))
  )
})
