import { assert, describe, it } from "@effect/vitest"
import type { TestModule } from "vitest/node"
import { summarize, totals } from "../PlainSummary.ts"

const module = (state: string, tests: ReadonlyArray<{ state: string; name?: string; note?: string }>): TestModule =>
  ({
    state: () => state,
    children: {
      allTests: () =>
        tests.map((test) => ({
          fullName: test.name ?? "",
          project: { name: "server" },
          result: () => ({ state: test.state, note: test.note })
        }))
    }
  }) as unknown as TestModule

describe("PlainSummary", () => {
  it("counts what passed, what failed and what was left out", () => {
    const summary = summarize(
      [
        module("failed", [{ state: "passed" }, { state: "failed" }, { state: "failed" }]),
        module("passed", [{ state: "passed" }, { state: "skipped", name: "echo in a browser", note: "needs Chromium" }])
      ],
      0
    )
    assert.deepStrictEqual(summary, {
      passed: 2,
      failed: 2,
      skipped: ["server > echo in a browser (needs Chromium)"]
    })
    assert.strictEqual(totals(summary), "2 passed, 2 failed, 1 skipped")
  })

  it("counts a module that could not be loaded, and a stray rejection, as failures", () => {
    assert.strictEqual(totals(summarize([module("failed", [])], 1)), "0 passed, 2 failed")
  })

  it("says nothing of skipped tests when there are none", () => {
    assert.strictEqual(totals(summarize([module("passed", [{ state: "passed" }])], 0)), "1 passed, 0 failed")
  })
})
