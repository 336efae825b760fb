import { assert, describe, it } from "@effect/vitest"
import { judge, mostHeapGrowthKiB, mostRssKiB } from "../src/Verdict.ts"
import type { Held, Outcome } from "../src/Verdict.ts"

const held: Held = { connections: 0, fibers: 5, descriptors: 25, heapKiB: 20_000 }

const outcome = (change: Partial<Outcome> = {}): Outcome => ({
  tallies: new Map([["converse", { ok: 3, failures: [] }]]),
  before: held,
  after: held,
  peakRssKiB: 100_000,
  exitCode: 0,
  ...change
})

describe("judge", () => {
  it("finds nothing wrong with a server that is as it was", () => {
    assert.deepStrictEqual(judge(outcome()), [])
  })

  const cases: ReadonlyArray<readonly [string, Partial<Outcome>, RegExp]> = [
    [
      "a behaviour that failed",
      { tallies: new Map([["converse", { ok: 3, failures: ["closed with 1011"] }]]) },
      /^converse: 1 of 4 failed, first: closed with 1011$/
    ],
    [
      "a behaviour that never ran",
      { tallies: new Map([["converse", { ok: 0, failures: [] }]]) },
      /^converse: never ran$/
    ],
    ["a connection that is left", { after: { ...held, connections: 1 } }, /^1 connections are open/],
    ["fibers that are left", { after: { ...held, fibers: 8 } }, /^fibers grew from 5 to 8$/],
    ["descriptors that are left", { after: { ...held, descriptors: 28 } }, /^descriptors grew from 25 to 28$/],
    ["a heap that grew", { after: { ...held, heapKiB: 20_001 + mostHeapGrowthKiB } }, /^the heap in use grew/],
    ["memory beyond the limit", { peakRssKiB: mostRssKiB + 1 }, /^resident memory reached/],
    ["an exit code", { exitCode: 1 }, /^the server exited with 1$/],
    ["a server that does not stop", { exitCode: undefined }, /^the server did not stop/]
  ]
  for (const [what, change, expected] of cases) {
    it(`names ${what}`, () => {
      const problems = judge(outcome(change))
      assert.strictEqual(problems.length, 1)
      assert.match(problems[0]!, expected)
    })
  }
})
