import { assert, describe, it } from "@effect/vitest"
import { TestSchema } from "effect/testing"
import * as Position from "../src/Position.ts"

describe("Position", () => {
  it("has a compact form", () => {
    const position = { epoch: 1_764_000_000_000_000, offset: 1000 }
    assert.strictEqual(Position.format(position), "hdaaeuvb40-rs")
    assert.deepStrictEqual(Position.parse("hdaaeuvb40-rs"), position)
  })

  for (const text of ["", "-", "1", "1-", "-1", "1-2-3", "A-1", "01-1", "1-01", " 1-1", "1.5-1", "zzzzzzzzzzz-1"]) {
    it(`does not parse ${JSON.stringify(text)}`, () => {
      assert.isUndefined(Position.parse(text))
    })
  }

  it.effect("survives its string form", () =>
    new TestSchema.Asserts(Position.PositionFromString).verifyRoundTripEffect({ runs: 100, seed: 1 })
  )
})
