import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as AuthNonces from "../src/AuthNonces.ts"

const make = (options?: AuthNonces.AuthNoncesOptions): Effect.Effect<AuthNonces.AuthNonces["Service"]> =>
  Effect.provide(AuthNonces.make(options), SecureRandom.layerWebCrypto)

describe("AuthNonces", () => {
  it.effect("takes each count of a nonce once", () =>
    Effect.gen(function* () {
      const nonces = yield* make()
      const nonce = yield* nonces.issue
      const other = yield* nonces.issue
      assert.notStrictEqual(nonce, other)
      assert.match(nonce, /^[A-Za-z0-9_-]{54}$/)
      assert.strictEqual(yield* nonces.use(nonce, 1), "fresh")
      assert.strictEqual(yield* nonces.use(nonce, 1), "replayed")
      assert.strictEqual(yield* nonces.use(nonce, 2), "fresh")
      assert.strictEqual(yield* nonces.use(nonce, 1), "replayed")
      assert.strictEqual(yield* nonces.use(other, 1), "fresh")
    })
  )

  it.effect("takes counts out of order, as far as it remembers them", () =>
    Effect.gen(function* () {
      const nonces = yield* make()
      const nonce = yield* nonces.issue
      const use = (count: number): Effect.Effect<AuthNonces.NonceVerdict> => nonces.use(nonce, count)
      assert.strictEqual(yield* use(40), "fresh")
      assert.strictEqual(yield* use(9), "fresh")
      assert.strictEqual(yield* use(9), "replayed")
      assert.strictEqual(yield* use(8), "replayed")
      assert.strictEqual(yield* use(4_294_967_295), "fresh")
      assert.strictEqual(yield* use(40), "replayed")
      assert.strictEqual(yield* use(4_294_967_294), "fresh")
      assert.strictEqual(yield* use(4_294_967_295), "replayed")
    })
  )

  it.effect.prop(
    "never takes a count twice, whatever the order, and always one that is higher than all before",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })))],
    ([counts]) =>
      Effect.gen(function* () {
        const nonces = yield* make()
        const nonce = yield* nonces.issue
        const used = new Set<number>()
        for (const count of counts) {
          const highest = Math.max(0, ...used)
          const verdict = yield* nonces.use(nonce, count)
          if (used.has(count) || (used.size > 0 && count <= highest - 32)) assert.strictEqual(verdict, "replayed")
          else assert.strictEqual(verdict, "fresh")
          used.add(count)
        }
      }),
    { arbitrary: { runs: 1000 } }
  )

  it.effect("finds stale what is no nonce of its own", () =>
    Effect.gen(function* () {
      const nonces = yield* make()
      const nonce = yield* nonces.issue
      const altered = (nonce[0] === "A" ? "B" : "A") + nonce.slice(1)
      const foreign = yield* Effect.flatMap(make(), (others) => others.issue)
      for (const bad of ["", "x", "\u20ac", altered, nonce.slice(1), `${nonce}A`, `${nonce}=`, foreign]) {
        assert.strictEqual(yield* nonces.use(bad, 1), "stale", bad)
      }
      assert.strictEqual(yield* nonces.use(nonce, 1), "fresh")
    })
  )

  it.effect("finds a nonce stale when its time is over, used or not", () =>
    Effect.gen(function* () {
      const nonces = yield* make({ lifetime: "1 minute" })
      const [used, unused] = [yield* nonces.issue, yield* nonces.issue]
      assert.strictEqual(yield* nonces.use(used, 1), "fresh")
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(yield* nonces.use(used, 2), "fresh")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* nonces.use(used, 3), "stale")
      assert.strictEqual(yield* nonces.use(unused, 1), "stale")
      assert.strictEqual(yield* nonces.use(yield* nonces.issue, 1), "fresh")
    })
  )

  it.effect("remembers no more nonces than it may, and takes none that it forgot", () =>
    Effect.gen(function* () {
      const nonces = yield* make({ capacity: 2 })
      const issued: Array<string> = []
      for (let i = 0; i < 4; i++) {
        issued.push(yield* nonces.issue)
        yield* TestClock.adjust("1 second")
      }
      const [first, second, third, fourth] = issued as [string, string, string, string]
      assert.strictEqual(yield* nonces.use(second, 1), "fresh")
      assert.strictEqual(yield* nonces.use(third, 1), "fresh")
      assert.strictEqual(yield* nonces.use(fourth, 1), "fresh")
      assert.strictEqual(yield* nonces.use(second, 1), "stale")
      assert.strictEqual(yield* nonces.use(first, 1), "stale")
      assert.strictEqual(yield* nonces.use(third, 1), "replayed")
      assert.strictEqual(yield* nonces.use(third, 2), "fresh")
    })
  )
})
