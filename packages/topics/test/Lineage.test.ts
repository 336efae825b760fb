import { assert, describe, it } from "@effect/vitest"
import { gapAfter, positionAt } from "../src/internal/Lineage.ts"
import type { LogState } from "../src/internal/Lineage.ts"

const at = (epoch: number, offset: number) => ({ epoch, offset })

/** Began as 100, went on as 200 after offset 8 and as 400 after offset 12; 1 to 3 were trimmed or expired. */
const state = (expired = 0): LogState => ({
  head: at(400, 15),
  segments: [
    { epoch: 100, start: 0 },
    { epoch: 200, start: 8 },
    { epoch: 400, start: 12 }
  ],
  first: 4,
  expired,
  entries: []
})

describe("positionAt", () => {
  for (const [offset, epoch] of [
    [0, 100],
    [1, 100],
    [8, 100],
    [9, 200],
    [12, 200],
    [13, 400],
    [15, 400]
  ] as const) {
    it(`knows that ${offset} was written in ${epoch}`, () => {
      assert.deepStrictEqual(positionAt(state().segments, offset), at(epoch, offset))
    })
  }
})

describe("gapAfter", () => {
  for (const [epoch, offset] of [
    [100, 3],
    [100, 8],
    [200, 9],
    [200, 12],
    [400, 13],
    [400, 15]
  ] as const) {
    it(`finds none after ${epoch}-${offset}`, () => {
      assert.isUndefined(gapAfter(at(epoch, offset), state()))
    })
  }

  for (const [epoch, offset, reason, resumesAt, lost] of [
    [100, 0, "Trimmed", at(100, 3), 3],
    [100, 2, "Trimmed", at(100, 3), 1],
    // What the engine lost, by a position in each part of the log.
    [100, 9, "RolledBack", at(100, 8), "unknown"],
    [200, 13, "RolledBack", at(200, 12), "unknown"],
    [400, 16, "RolledBack", at(400, 15), "unknown"],
    // Epochs that are gone altogether: a part that was rolled back as a whole, and one after the newest.
    [150, 10, "RolledBack", at(100, 8), "unknown"],
    [300, 13, "RolledBack", at(200, 12), "unknown"],
    [500, 99, "RolledBack", at(400, 15), "unknown"],
    [99, 5, "Recreated", at(100, 3), "unknown"]
  ] as const) {
    it(`finds ${reason} after ${epoch}-${offset}`, () => {
      const after = at(epoch, offset)
      assert.deepStrictEqual(gapAfter(after, state()), { _tag: "Gap", after, resumesAt, reason, lost })
    })
  }

  it("tells what expired from what was trimmed", () => {
    assert.strictEqual(gapAfter(at(100, 1), state(3))?.reason, "Expired")
    assert.strictEqual(gapAfter(at(100, 1), state(2))?.reason, "Trimmed")
  })
})
