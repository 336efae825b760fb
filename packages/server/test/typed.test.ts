/**
 * Typed messages at both kinds of server, and for all its connections at once.
 */
import * as MessageCodec from "@effect-ws/connection/MessageCodec"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Queue, Schema, Stream } from "effect"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network } from "@effect-ws/test-peers/InMemory"
import { connect } from "@effect-ws/test-peers/Programs"
import { handled, start } from "./support/variants.ts"

const Numbers = TypedConnection.protocol({
  fromClient: Schema.Struct({ n: Schema.Int }),
  fromServer: Schema.Struct({ twice: Schema.Int })
})

const open = Effect.fnUntraced(function* (server: WebSocketServer.WebSocketServer["Service"]) {
  return yield* TypedConnection.make(yield* connect(server), Numbers.client)
})

describe("typed messages", () => {
  it.effect("are what a handler in the direct style gets and sends", () =>
    Effect.gen(function* () {
      const server = yield* start(
        WebSocketServer.layer(
          TypedConnection.handler(Numbers.server, (typed) =>
            Stream.runForEach(typed.messages, ({ n }) => typed.send({ twice: 2 * n }))
          )
        )
      )
      const client = yield* open(server)
      yield* client.send({ n: 21 })
      assert.deepStrictEqual(yield* client.receive, { twice: 42 })
      // One that breaks the Schema loses its own connection, and no other.
      const other = yield* connect(server)
      yield* other.send('{"n":1.5}')
      assert.strictEqual((yield* other.closed).received?.reason, "the message does not match its schema at n")
      yield* client.send({ n: 1 })
      assert.deepStrictEqual(yield* client.receive, { twice: 2 })
    }).pipe(Effect.provide(network))
  )

  for (const { layer, name } of handled) {
    it.effect(`are what onMessage gets: ${name}`, () =>
      Effect.gen(function* () {
        const seen = yield* Queue.unbounded<number>()
        const onMessage = TypedConnection.onMessage(Numbers.server, (_, { n }) => Queue.offer(seen, n))
        const server = yield* start(layer({ onMessage }))
        const client = yield* open(server)
        yield* client.send({ n: 1 })
        assert.strictEqual(yield* Queue.take(seen), 1)
        yield* client.connection.send(Uint8Array.of(1))
        const { code, reason } = yield* Effect.flip(client.receive)
        assert.deepStrictEqual([code, reason], [1003, "expected text, received binary"])
      }).pipe(Effect.provide(network))
    )

    it.effect(`are dropped by onMessage where it skips invalid ones: ${name}`, () =>
      Effect.gen(function* () {
        const seen = yield* Deferred.make<number>()
        const options = { ...Numbers.server, onInvalid: "skip" } as const
        const server = yield* start(
          layer({ onMessage: TypedConnection.onMessage(options, (_, { n }) => Deferred.succeed(seen, n)) })
        )
        const client = yield* open(server)
        yield* client.connection.send("{}")
        yield* client.send({ n: 7 })
        assert.strictEqual(yield* Deferred.await(seen), 7)
      }).pipe(Effect.provide(network))
    )
  }

  it.effect("are broadcast, each encoded once for all", () =>
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
      const server = yield* start(WebSocketServer.layer((connection) => connection.closed))
      const clients = [yield* open(server), yield* open(server)]
      assert.strictEqual((yield* server.broadcast({ twice: 2 }, { as })).delivered, 2)
      assert.strictEqual(encoded, 1)
      const prepared = yield* TypedConnection.prepare(Numbers.server, { twice: 6 })
      yield* server.broadcast(prepared)
      for (const client of clients) {
        for (const twice of [2, 6]) assert.deepStrictEqual(yield* client.receive, { twice })
      }
    }).pipe(Effect.provide(network))
  )

  it.effect("are not sent to anybody where the Schema refuses them", () =>
    Effect.gen(function* () {
      const server = yield* start(WebSocketServer.layer((connection) => connection.closed))
      const client = yield* open(server)
      const refused = yield* Effect.flip(server.broadcast({ twice: 1.5 }, { as: Numbers.server }))
      assert.strictEqual(refused._tag, "SchemaError")
      yield* server.broadcast({ twice: 2 }, { as: Numbers.server })
      assert.deepStrictEqual(yield* client.receive, { twice: 2 })
    }).pipe(Effect.provide(network))
  )
})
