/** Sending the newest value of each key to a peer that reads slowly. */
import * as Conflation from "@effect-ws/connection/Conflation"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Latch, Schema, Scope, Stream } from "effect"
import { pair } from "./support/pair.ts"

interface Price {
  readonly symbol: string
  readonly price: number
}

const price = (symbol: string, price: number): Price => ({ symbol, price })

/** A connection that sends one value each time it is let. */
const gated = () => {
  const sent: Array<Price> = []
  const gate = Latch.makeUnsafe(false)
  const send = (value: Price) =>
    Effect.andThen(
      gate.await,
      Effect.sync(() => sent.push(value))
    )
  return { sent, gate, connection: { send } }
}

const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

describe("Conflation", () => {
  it.effect("replaces what waits with the newest of each key, in the order of the keys", () =>
    Effect.gen(function* () {
      const { connection, gate, sent } = gated()
      const prices = yield* Conflation.make(connection, { key: ({ symbol }) => symbol })
      yield* prices.send(price("A", 1))
      // Being sent: it cannot be taken back.
      yield* settle
      for (const value of [price("A", 2), price("B", 1), price("A", 3), price("C", 1), price("B", 2)]) {
        yield* prices.send(value)
      }
      assert.deepStrictEqual([prices.pending, prices.replaced, prices.dropped], [3, 2, 0])
      yield* gate.open
      yield* settle
      assert.deepStrictEqual(sent, [price("A", 1), price("A", 3), price("B", 2), price("C", 1)])
      assert.strictEqual(prices.pending, 0)
    })
  )

  it.effect("drops the oldest where more keys wait than may", () =>
    Effect.gen(function* () {
      const { connection, gate, sent } = gated()
      const prices = yield* Conflation.make(connection, { key: ({ symbol }) => symbol, maxKeys: 2 })
      yield* prices.send(price("A", 0))
      yield* settle
      for (const symbol of ["A", "B", "C"]) yield* prices.send(price(symbol, 1))
      assert.deepStrictEqual([prices.pending, prices.dropped], [2, 1])
      yield* gate.open
      yield* settle
      assert.deepStrictEqual(sent, [price("A", 0), price("B", 1), price("C", 1)])
    })
  )

  it.effect("fails when a value could not be sent, and stops with its Scope", () =>
    Effect.gen(function* () {
      const prices = yield* Conflation.make({ send: () => Effect.fail("broken" as const) }, { key: () => 1 })
      yield* prices.send(1)
      yield* settle
      assert.strictEqual(yield* Effect.flip(prices.send(2)), "broken")

      const scope = yield* Scope.make()
      const { connection, gate, sent } = gated()
      const others = yield* Scope.provide(Conflation.make(connection, { key: () => 1 }), scope)
      yield* others.send(price("A", 1))
      yield* Scope.close(scope, Exit.void)
      yield* gate.open
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(others.send(price("A", 2)))))
      assert.deepStrictEqual(sent, [])
    })
  )

  it.effect("sends a slow peer the last of each key, and not all that came before", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ writeHighWaterMark: 100 })
      const Price = Schema.Struct({ symbol: Schema.String, price: Schema.Number })
      const types = { receive: Price, send: Price }
      const sender = yield* TypedConnection.make(server, types)
      const prices = yield* Conflation.make(sender, { key: ({ symbol }) => symbol })
      const count = 10_000
      for (let n = 1; n <= count; n++) {
        yield* prices.send(price(n % 2 === 0 ? "EVEN" : "ODD", n))
        if (n % 100 === 0) yield* settle
      }
      const reader = yield* TypedConnection.make(client, types)
      const received: Array<Price> = []
      const reading = yield* Effect.forkChild(
        Stream.runForEach(reader.messages, (value) => Effect.sync(() => received.push(value)))
      )
      const isAllThere = () => received.length + prices.replaced === count
      while (!isAllThere()) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* Fiber.interrupt(reading)
      assert.isAbove(prices.replaced, 0)
      for (const last of [price("ODD", count - 1), price("EVEN", count)]) {
        assert.deepStrictEqual(
          received.findLast(({ symbol }) => symbol === last.symbol),
          last
        )
      }
    }).pipe(Effect.provide(Memory.layer({ port: 80, pipeSize: 1000, readAhead: 1 })))
  )
})
