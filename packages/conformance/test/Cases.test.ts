import { assert, describe, it } from "@effect/vitest"
import * as Cases from "../src/Cases.ts"

describe("Cases", () => {
  it("knows the 517 cases of the suite, group by group", () => {
    const counts: Record<string, number> = {}
    for (const id of Cases.all) counts[Cases.groupOf(id)] = (counts[Cases.groupOf(id)] ?? 0) + 1
    const expected = { 1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126 }
    assert.deepStrictEqual(counts, expected)
    assert.strictEqual(new Set(Cases.all).size, 517)
  })

  it("expands globs, each case once", () => {
    assert.deepStrictEqual(Cases.matching(["6.4.*"]), ["6.4.1", "6.4.2", "6.4.3", "6.4.4"])
    assert.deepStrictEqual(Cases.matching(["2.1", "2.1"]), ["2.1"])
    assert.strictEqual(Cases.matching(["1.*"]).length, 16)
    assert.strictEqual(Cases.matching(["*"]).length, 517)
    assert.strictEqual(Cases.matching(Cases.defaultGlobs).length, 517)
  })

  it("takes a dot for a dot", () => {
    assert.deepStrictEqual(Cases.matching(["6.1.1"]), ["6.1.1"])
    assert.deepStrictEqual(Cases.matching(["6"]), [])
    assert.deepStrictEqual(Cases.matching(["6(1.1"]), [])
  })
})
