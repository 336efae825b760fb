import { assert, describe, it } from "@effect/vitest"
import { interleave, isTie, median, medianRatio } from "../src/Statistics.ts"

describe("median", () => {
  it("is the middle, or the mean of the two in the middle", () => {
    assert.strictEqual(median([]), undefined)
    assert.strictEqual(median([7]), 7)
    assert.strictEqual(median([100, 2, 9]), 9)
    assert.strictEqual(median([10, 4, 1, 2]), 3)
  })
})

describe("medianRatio", () => {
  it("compares within a round, not across rounds", () => {
    // The machine was half as fast in the second round; the ratio of the medians would say 1.
    assert.strictEqual(medianRatio([200, 100, 220], [100, 50, 200]), 2)
  })

  it("leaves out rounds in which one of the two is missing or nothing was counted", () => {
    assert.strictEqual(medianRatio([30, undefined, 50, 60], [10, 10, undefined, 0]), 3)
    assert.strictEqual(medianRatio([undefined], [1]), undefined)
    assert.strictEqual(medianRatio([1, 2], []), undefined)
  })
})

describe("isTie", () => {
  it("is a gap under 10 % in either direction", () => {
    assert.deepStrictEqual([0.9, 0.91, 1, 1.09, 1.1, 1.2].map(isTie), [false, true, true, true, false, false])
  })
})

describe("interleave", () => {
  it("turns the order round in every other round", () => {
    assert.deepStrictEqual(
      [0, 1, 2].map((round) => interleave(["a", "b", "c"], round).join("")),
      ["abc", "cba", "abc"]
    )
  })
})
