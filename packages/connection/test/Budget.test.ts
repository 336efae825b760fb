import { Budget, CurrentBudget, layerConfig } from "@effect-ws/connection/Budget"
import type { Holder, Holding } from "@effect-ws/connection/Budget"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { NetAddress } from "effect/net"

/** A connection that releases all that it holds, or part of it. */
class Peer implements Holder {
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  closings = 0
  private readonly budget: Budget
  private readonly holding: Holding
  private readonly keeps: number

  constructor(budget: Budget, address: string | undefined, keeps = 0) {
    this.remoteAddress =
      address === undefined ? undefined : NetAddress.inetAddressFromIpStringUnsafe(address, 1 + port++)
    this.budget = budget
    this.keeps = keeps
    this.holding = budget.open(this)
  }

  holds(bytes: number): this {
    this.budget.update(this.holding, bytes)
    return this
  }

  letGo(): void {
    this.closings++
    this.holds(Math.min(this.keeps, this.holding.bytes))
  }
}

let port = 0

describe("a budget", () => {
  it("closes connections of the address that holds most, the one without progress for longest first", () => {
    const budget = new Budget({ limit: 100, minPerConnection: 10 })
    const large = new Peer(budget, "192.0.2.1").holds(30)
    const many = Array.from({ length: 5 }, () => new Peer(budget, "192.0.2.2").holds(12))
    many[0]!.holds(13)
    const asking = new Peer(budget, "192.0.2.3").holds(20)
    assert.deepStrictEqual(
      [large, ...many, asking].map((peer) => peer.closings),
      [0, 0, 1, 0, 0, 0, 0]
    )
    assert.strictEqual(budget.used, 99)
    assert.strictEqual(budget.closed, 1)
  })

  it("does not close the connection that needs the memory", () => {
    const budget = new Budget({ limit: 100, minPerConnection: 10 })
    const others = Array.from({ length: 40 }, () => new Peer(budget, "192.0.2.2").holds(2))
    const asking = new Peer(budget, "192.0.2.3")
    for (let bytes = 1; bytes <= 100; bytes++) asking.holds(bytes)
    assert.strictEqual(asking.closings, 0)
    assert.strictEqual(others.filter((peer) => peer.closings > 0).length, 35)
    // What the other address holds now is not more than the floor.
    assert.strictEqual(budget.used, 110)
  })

  it("counts the addresses of one /64 together, and peers without an address", () => {
    for (const addresses of [
      ["2001:db8::1", "2001:db8::ffff:1"],
      [undefined, undefined],
      ["::ffff:192.0.2.9", "192.0.2.9"]
    ]) {
      const budget = new Budget({ limit: 100, minPerConnection: 10 })
      const [first, second] = addresses.map((address) => new Peer(budget, address).holds(25))
      const other = new Peer(budget, "198.51.100.1").holds(40)
      new Peer(budget, "198.51.100.2").holds(15)
      assert.deepStrictEqual([first!.closings, second!.closings, other.closings], [1, 0, 0])
    }
  })

  it("leaves addresses alone that hold no more than the floor, and is exceeded then", () => {
    const budget = new Budget({ limit: 100, minPerConnection: 10 })
    const peers = Array.from({ length: 30 }, (_, at) => new Peer(budget, `192.0.2.${at}`).holds(10))
    assert.strictEqual(budget.closed, 0)
    assert.isTrue(budget.isExceeded)
    for (const peer of peers.slice(10)) peer.holds(0)
    assert.isFalse(budget.isExceeded)
  })

  it("closes a connection that holds more than the limit by itself", () => {
    const budget = new Budget({ limit: 100, minPerConnection: 10 })
    assert.strictEqual(new Peer(budget, "192.0.2.1").holds(101).closings, 1)
    assert.strictEqual(budget.used, 0)
  })

  it("asks a connection once, whatever that frees", () => {
    const budget = new Budget({ limit: 100, minPerConnection: 10 })
    const stubborn = new Peer(budget, "192.0.2.1", 50).holds(60)
    const next = new Peer(budget, "192.0.2.1").holds(35)
    new Peer(budget, "192.0.2.2").holds(50)
    assert.deepStrictEqual([stubborn.closings, next.closings], [1, 1])
  })

  it("forgets an address whose connections hold nothing", () => {
    const budget = new Budget({ limit: 100, minPerConnection: 0 })
    const first = new Peer(budget, "192.0.2.1")
    const second = new Peer(budget, "192.0.2.1")
    for (let round = 0; round < 3; round++) {
      first.holds(40).holds(0)
      second.holds(40)
      first.holds(20)
      second.holds(0)
      first.holds(0)
    }
    assert.strictEqual(budget.used, 0)
    first.holds(30)
    second.holds(30)
    new Peer(budget, "192.0.2.2").holds(50)
    assert.deepStrictEqual([first.closings, second.closings], [1, 0])
  })
})

describe("Budget.layerConfig", () => {
  const layer = layerConfig({
    limit: Config.Int("MEMORY_LIMIT"),
    minPerConnection: Config.Int("MIN_PER_CONNECTION").pipe(Config.withDefault(10))
  })
  const of = (values: Readonly<Record<string, string>>) =>
    layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))))

  it.effect("takes the values of the environment", () =>
    Effect.gen(function* () {
      const { limit, minPerConnection } = yield* CurrentBudget
      assert.deepStrictEqual([limit, minPerConnection], [100, 10])
    }).pipe(Effect.provide(of({ MEMORY_LIMIT: "100" })))
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(of({})))
      assert.instanceOf(error, Config.ConfigError)
      assert.include(error.message, "MEMORY_LIMIT")
    })
  )
})
