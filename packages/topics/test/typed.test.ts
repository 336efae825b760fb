/** Typed messages for all subscribers of a topic at once. */
import * as MessageCodec from "@effect-ws/connection/MessageCodec"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { network } from "@effect-ws/test-peers/InMemory"
import { connect } from "@effect-ws/test-peers/Programs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, Schema, Stream } from "effect"
import * as Topics from "../src/Topics.ts"

const Numbers = TypedConnection.protocol({
  fromClient: Schema.Struct({ n: Schema.Int }),
  fromServer: Schema.Struct({ twice: Schema.Int })
})

const open = Effect.fnUntraced(function* (server: WebSocketServer.WebSocketServer["Service"]) {
  return yield* TypedConnection.make(yield* connect(server), Numbers.client)
})

describe("typed messages of a topic", () => {
  it.effect("are encoded once for all subscribers", () =>
    Effect.gen(function* () {
      let encoded = 0
      const codec = MessageCodec.format({
        name: "counted JSON",
        kind: "Text",
        parse: JSON.parse,
        print: (value) => {
          encoded++
          return JSON.stringify(value)
        }
      })
      const as = { ...Numbers.server, codec }
      const topics = yield* Topics.Topics
      const subscribed = yield* Queue.unbounded<void>()
      const server = yield* WebSocketServer.make((connection) =>
        Effect.andThen(
          topics.subscribe(connection, "numbers"),
          Effect.andThen(Queue.offer(subscribed, undefined), Stream.runDrain(connection.messages))
        )
      )
      const clients = [yield* open(server), yield* open(server)]
      yield* Queue.takeN(subscribed, 2)
      assert.strictEqual((yield* topics.publish("numbers", { twice: 4 }, { as })).delivered, 2)
      assert.strictEqual(encoded, 1)
      const prepared = yield* TypedConnection.prepare(Numbers.server, { twice: 6 })
      yield* topics.publish("numbers", prepared)
      for (const client of clients) {
        for (const twice of [4, 6]) assert.deepStrictEqual(yield* client.receive, { twice })
      }
    }).pipe(Effect.provide(Layer.merge(network, Topics.layer())))
  )

  it.effect("are refused by the publisher's Schema", () =>
    Effect.gen(function* () {
      const { publish } = yield* Topics.make()
      const refused = yield* Effect.flip(publish("numbers", { twice: 1.5 }, { as: Numbers.server }))
      assert.strictEqual(refused._tag, "SchemaError")
    })
  )
})
