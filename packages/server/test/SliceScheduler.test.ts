import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SliceScheduler } from "../src/internal/SliceScheduler.ts"
import type { Work } from "../src/internal/SliceScheduler.ts"

const nextTurn = Effect.promise(() => new Promise(setImmediate))

/** Work that notes in which turn each message was sent, and who else sent in it. */
const makeWork = (name: string, size: number, log: Array<string>): Work & { size: number } => ({
  isListed: false,
  size,
  get hasWork() {
    return this.size > 0
  },
  serve(budget) {
    const sent = Math.min(budget, this.size)
    this.size -= sent
    log.push(`${name}${sent}`)
    return sent
  }
})

describe("Turns", () => {
  it.effect(
    "sends a slice at the end of this turn and one in each turn after it, to one audience after the other",
    () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const turns = new SliceScheduler(10)
        const [a, b, c] = [makeWork("a", 25, log), makeWork("b", 12, log), makeWork("c", 3, log)]
        turns.add(a)
        turns.add(b)
        turns.add(a)
        turns.add(c)
        assert.deepStrictEqual(log, [])
        yield* Effect.promise(() => Promise.resolve())
        assert.deepStrictEqual(log.splice(0), ["a10"])
        yield* nextTurn
        assert.deepStrictEqual(log.splice(0), ["b10"])
        yield* nextTurn
        assert.deepStrictEqual(log.splice(0), ["c3", "a7"])
        yield* nextTurn
        assert.deepStrictEqual(log.splice(0), ["b2", "a8"])
        yield* nextTurn
        yield* nextTurn
        assert.deepStrictEqual(log, [])
      })
  )

  it.effect("sends no more than a slice in a turn, however often something is added", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const turns = new SliceScheduler(4)
      for (let round = 0; round < 3; round++) {
        turns.add(makeWork("x", 2, log))
        yield* Effect.promise(() => Promise.resolve())
      }
      assert.deepStrictEqual(log, ["x2", "x2"])
      yield* nextTurn
      assert.deepStrictEqual(log, ["x2", "x2", "x2"])
    })
  )
})
