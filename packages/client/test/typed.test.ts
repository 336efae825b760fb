/** Typed messages over a client that reconnects. */
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import * as Reconnect from "../src/Reconnect.ts"

const types = { receive: Schema.Struct({ n: Schema.Int }), send: Schema.Struct({ n: Schema.Int }) }

// Answers a number with the next one, and 3 with what is no number.
const Counting = WebSocketServer.layer(
  TypedConnection.handler(types, (typed) =>
    Stream.runForEach(typed.messages, ({ n }) => (n === 3 ? typed.connection.send("{}") : typed.send({ n: n + 1 })))
  )
).pipe(Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 }))))

describe("typed messages over Reconnect", () => {
  it.effect("end the client where one does not decode", () =>
    Effect.gen(function* () {
      const client = yield* Reconnect.make({ url: "ws://counting/" })
      const typed = yield* TypedConnection.make(client, types)
      yield* typed.send({ n: 1 })
      assert.deepStrictEqual(yield* typed.receive, { n: 2 })
      yield* typed.send({ n: 3 })
      const error = yield* Effect.flip(typed.receive)
      assert.strictEqual(error._tag, "PolicyViolation")
      const events = yield* Stream.runCollect(client.events)
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Connecting", "Open", "Closed", "Stopped"]
      )
    }).pipe(Effect.provide(Counting))
  )

  it.effect("go on where invalid ones are skipped", () =>
    Effect.gen(function* () {
      const client = yield* Reconnect.make({ url: "ws://counting/" })
      const typed = yield* TypedConnection.make(client, { ...types, onInvalid: "skip" })
      for (const n of [3, 3, 4]) yield* typed.send({ n })
      assert.deepStrictEqual(yield* typed.receive, { n: 5 })
    }).pipe(Effect.provide(Counting))
  )
})
