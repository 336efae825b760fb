/** The chaos run in small; `npx -y pnpm@12 chaos:topics` is the large one. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "./chaos/Chaos.ts"
import { testWithRedis } from "./support/redis.ts"

testWithRedis(
  "G6: nodes are killed, Redis restarted, stopped and flushed, and every subscriber has all, or gaps that cover the rest",
  () =>
    Effect.gen(function* () {
      const result = yield* run({ messages: 500, topics: 4, subscribers: 8, publishers: 6, report: () => {} })
      assert.deepStrictEqual(result.problems, [])
      assert.strictEqual(result.acknowledged, 504)
      // One for each subscriber, from the flush.
      assert.lengthOf(result.gaps, 8)
      for (const gap of result.gaps) assert.match(gap, /Recreated/)
    }),
  180_000
)
