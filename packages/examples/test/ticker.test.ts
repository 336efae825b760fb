import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Client, Memory } from "effect-ws"
import type { Connection } from "effect-ws"
import { Ticker } from "../src/ticker.ts"

const take = (connection: Connection.Connection, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(connection.messages, count)), (messages) =>
    messages.map(({ data }) => String(data))
  )

/** Waits until everything that was sent is dealt with: messages are answered in order. */
const settle = (connection: Connection.Connection) => Effect.andThen(connection.send("settle?"), take(connection, 1))

describe("ticker", () => {
  it.effect("tells each client of what it subscribed to", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* Client.connect("ws://ticker.test/"), yield* Client.connect("ws://ticker.test/")]
      yield* one.send("subscribe ACME")
      yield* one.send("subscribe UMBR")
      yield* two.send("subscribe ACME")
      yield* two.send("subscribe NONE")
      assert.deepStrictEqual(yield* take(two, 1), ["unknown symbol NONE"])
      assert.deepStrictEqual(yield* settle(one), ["unknown symbol "])

      yield* TestClock.adjust("1 second")
      const [first, second] = [yield* take(one, 2), yield* take(two, 1)]
      assert.match(first[0]!, /^ACME (99|100|101)\.\d\d$/)
      assert.match(first[1]!, /^UMBR (39|40)\.\d\d$/)
      assert.deepStrictEqual(second, [first[0]])

      yield* one.send("unsubscribe ACME")
      yield* two.send("hello ACME")
      assert.deepStrictEqual(yield* take(two, 1), ["say: subscribe SYMBOL, or: unsubscribe SYMBOL"])
      yield* settle(one)
      yield* two.close()
      for (let second = 0; second < 2; second++) {
        yield* TestClock.adjust("1 second")
        assert.match((yield* take(one, 1))[0]!, /^UMBR /)
      }
    }).pipe(Effect.provide(Ticker.pipe(Layer.provideMerge(Memory.layer({ port: 80 })))))
  )
})
