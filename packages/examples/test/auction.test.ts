import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Client, Memory, Reconnect, TypedConnection } from "effect-ws"
import { server } from "../src/auction.ts"
import { Auction } from "../src/auctionMessages.ts"

const inMemory = server.pipe(Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 }))))

const enter = Effect.fnUntraced(function* (name: string) {
  const connection = yield* Client.connect("ws://auction.test/")
  const typed = yield* TypedConnection.make(connection, Auction.client)
  yield* typed.send({ _tag: "Enter", name })
  return typed
})

describe("auction", () => {
  it.effect("tells every bidder of the highest bid, and one of a bid that is too low", () =>
    Effect.gen(function* () {
      const [ada, bob] = [yield* enter("Ada"), yield* enter("Bob")]
      yield* ada.send({ _tag: "Bid", amount: 500 })
      const highest = { _tag: "Highest", name: "Ada", amount: 500, at: new Date(0) } as const
      assert.deepStrictEqual(yield* ada.receive, highest)
      assert.deepStrictEqual(yield* bob.receive, highest)
      yield* bob.send({ _tag: "Bid", amount: 400 })
      assert.deepStrictEqual(yield* bob.receive, { _tag: "TooLow", amount: 400, highest: 500 })
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("takes bids from a client that reconnects", () =>
    Effect.gen(function* () {
      const client = yield* Reconnect.make({ url: "ws://auction.test/" })
      const typed = yield* TypedConnection.make(client, Auction.client)
      yield* typed.send({ _tag: "Enter", name: "Eve" })
      assert.include(["sent", "queued"], yield* typed.send({ _tag: "Bid", amount: 1 }))
      assert.strictEqual((yield* typed.receive)._tag, "Highest")
      yield* client.close()
      assert.strictEqual((yield* Effect.flip(typed.receive))._tag, "NormalClosure")
      assert.deepStrictEqual(yield* Stream.runCollect(typed.messages), [])
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("closes with 1008 on what does not match the Schemas, and says where", () =>
    Effect.gen(function* () {
      const connection = yield* Client.connect("ws://auction.test/")
      yield* connection.send('{"_tag":"Bid","amount":"lots"}')
      const { code, reason } = yield* Effect.flip(connection.receive)
      assert.deepStrictEqual([code, reason], [1008, "the message does not match its schema at amount"])
      const typed = yield* TypedConnection.make(yield* Client.connect("ws://auction.test/"), Auction.client)
      assert.strictEqual((yield* Effect.flip(typed.send({ _tag: "Bid", amount: -1 })))._tag, "SchemaError")
    }).pipe(Effect.provide(inMemory))
  )
})
