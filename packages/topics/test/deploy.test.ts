/** A deploy with 10 000 clients that resume, in memory; `deploy/main.ts` is the same over sockets. */
import * as Memory from "@effect-ws/transport/Memory"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import { run } from "./deploy/Deploy.ts"
import { CoarseClock } from "./support/coarseClock.ts"
import { serve } from "./support/servers.ts"

const clients = 10_000
const rate = 1000

it.live(
  "10 000 clients move from the old node to a new one without a storm, and none lacks or doubles an entry",
  () => {
    const clock = new CoarseClock()
    return Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const log = { recentEntries: 4 }
      const old = yield* serve({ port: 1, engine, log })
      const server = { maxHandshakesPerSecond: rate, maxHandshakes: 2 * rate }
      const next = yield* serve({ port: 2, engine, log, server })
      const result = yield* run({
        old: { ...old, url: "ws://node:1/" },
        next: { ...next, url: "ws://node:2/" },
        clients,
        rooms: 10,
        drain: { notReadyFor: "2 seconds", over: "5 seconds", retryDelay: "2 seconds" },
        pass: clock.pass(100)
      })
      const expected = Array.from({ length: result.published }, (_, at) => at + 1)
      for (const items of result.got) assert.deepStrictEqual(items, expected)
      assert.deepStrictEqual(result.gaps, [])
      assert.isFalse(result.hasClosedEarly)
      // In 100 ms: a tenth of a second's worth, and once a burst of as many.
      assert.isAtMost(result.mostAtOnce, rate / 5 + 1)
      // Those that came too early were told when to come back, and few had to ask more than twice.
      assert.isBelow(result.attempts, 3 * clients)
      assert.isBelow(result.pageReads, clients / 10)
    }).pipe(
      Effect.provide(Layer.provideMerge(Memory.layerDialer, Memory.layerNetwork())),
      Effect.provideService(Clock.Clock, clock)
    )
  },
  300_000
)
