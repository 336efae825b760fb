/** The chaos run in small; `npx -y pnpm@12 chaos:topics` is the large one. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "./chaos/Chaos.ts"
import { testWithRedis } from "./support/redis.ts"

const size = { topics: 4, subscribers: 8, publishers: 6, report: () => {} }

testWithRedis(
  "G6: nodes are killed, Redis restarted, stopped and flushed, and every subscriber has all, or gaps that cover the rest",
  () =>
    Effect.gen(function* () {
      const result = yield* run({ ...size, messages: 600, appendfsync: "always" })
      assert.deepStrictEqual(result.problems, [])
      assert.deepStrictEqual([result.acknowledged, result.complete, result.lost.restart], [608, 8, 0])
      // Two from the eviction of one topic, and one for each subscriber from the flush.
      assert.lengthOf(result.gaps, 10)
      for (const gap of result.gaps) assert.match(gap, /Recreated/)
    }),
  180_000
)

testWithRedis(
  "G5: a Redis that lost the end of its file is noticed, and everything else arrives",
  () =>
    Effect.gen(function* () {
      const result = yield* run({ ...size, messages: 1200, appendfsync: "everysec" })
      assert.deepStrictEqual(result.problems, [])
      assert.deepStrictEqual([result.acknowledged, result.complete], [1208, 8])
      assert.isAbove(result.lost.restart, 0)
      assert.isAbove(result.gaps.filter((gap) => gap.includes("RolledBack")).length, 0)
    }),
  180_000
)
