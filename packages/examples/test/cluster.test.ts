/** Two runners of Effect Cluster, each with a listener of its own, reach each other over WebSockets. */
import { freePort } from "@effect-ws/test-support/LocalPort"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import { count, Runner, Shared } from "../src/cluster.ts"

const names = Array.from({ length: 12 }, (_, n) => `counter ${n}`)

const start = Effect.gen(function* () {
  const port = yield* freePort
  const scope = yield* Scope.fork(yield* Effect.scope)
  const services = yield* Layer.buildWithScope(Layer.fresh(Runner(port)), scope)
  return {
    address: `127.0.0.1:${port}`,
    ask: (asked: ReadonlyArray<string>) => Effect.provideContext(count(asked), services),
    stop: Scope.close(scope, Exit.void)
  }
})

// The runners divide the shards among them some time after both are there.
const until = <A, E, R>(effect: Effect.Effect<A, E, R>, done: (value: A) => boolean) =>
  Effect.repeat(effect, { until: done, schedule: Schedule.spaced("50 millis"), times: 200 })

describe("a cluster", () => {
  it.live(
    "asks entities on the other runner, and finds them on the one that is left",
    () =>
      Effect.gen(function* () {
        const one = yield* start
        const other = yield* start
        const asked = yield* until(one.ask(names), (answers) => new Set(answers.map(({ runner }) => runner)).size === 2)
        const totals = new Map(asked.map(({ name, total }) => [name, total]))
        const far = asked.filter(({ runner }) => runner === other.address).map(({ name }) => name)
        assert.isAbove(far.length, 0)

        // Both runners ask the very same entities.
        for (const { name, runner, total } of yield* other.ask(names)) {
          assert.strictEqual(total, totals.get(name)! + 1, name)
          assert.strictEqual(runner, asked.find((answer) => answer.name === name)!.runner, name)
        }

        yield* other.stop
        for (const { runner } of yield* one.ask(far)) assert.strictEqual(runner, one.address)
      }).pipe(Effect.scoped, Effect.provide(Shared)),
    40_000
  )
})
