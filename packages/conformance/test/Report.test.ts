import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Report from "../src/Report.ts"

const ok = { behavior: "OK", behaviorClose: "OK" }

describe("Report", () => {
  it("passes nothing but OK", () => {
    for (const behavior of ["NON-STRICT", "FAILED", "UNIMPLEMENTED", "INFORMATIONAL", "WRONG CODE"]) {
      assert.deepStrictEqual(Report.judge(["6.4.1"], { "6.4.1": { behavior, behaviorClose: "OK" } }), [
        { id: "6.4.1", passed: false, behavior }
      ])
    }
    assert.deepStrictEqual(Report.judge(["6.4.1"], { "6.4.1": ok }), [{ id: "6.4.1", passed: true, behavior: "OK" }])
  })

  it("fails an unclean close", () => {
    assert.deepStrictEqual(Report.judge(["1.1.1"], { "1.1.1": { behavior: "OK", behaviorClose: "UNCLEAN" } }), [
      { id: "1.1.1", passed: false, behavior: "OK, close UNCLEAN" }
    ])
  })

  it("passes INFORMATIONAL where the specification leaves the answer open", () => {
    const open = { behavior: "INFORMATIONAL", behaviorClose: "INFORMATIONAL" }
    const ids = ["7.1.6", "7.13.1", "7.13.2", "7.1.5"]
    const passed = Report.judge(ids, Object.fromEntries(ids.map((id) => [id, open]))).map((verdict) => verdict.passed)
    assert.deepStrictEqual(passed, [true, true, true, false])
  })

  it("fails a case that has no result", () => {
    assert.deepStrictEqual(Report.judge(["1.1.1", "1.1.2"], { "1.1.2": ok }), [
      { id: "1.1.1", passed: false, behavior: "no result" },
      { id: "1.1.2", passed: true, behavior: "OK" }
    ])
  })

  it("renders groups, failures by name, and totals", () => {
    const verdicts = Report.judge(["1.1.1", "1.1.2", "6.4.1"], {
      "1.1.1": ok,
      "1.1.2": ok,
      "6.4.1": { behavior: "NON-STRICT", behaviorClose: "OK" }
    })
    assert.strictEqual(
      Report.render(verdicts),
      [
        "cases   passed  failed",
        "1.*          2       0",
        "6.*          0       1",
        "",
        "6.4.1    NON-STRICT",
        "",
        "2 passed, 1 failed"
      ].join("\n")
    )
  })

  it.effect("reads the suite's index", () =>
    Effect.gen(function* () {
      const text = `{"127.0.0.1:1":{"1.1.1":{"behavior":"OK","behaviorClose":"OK","duration":11,"remoteCloseCode":1000}}}`
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(Report.Index)(text), {
        "127.0.0.1:1": { "1.1.1": ok }
      })
    })
  )
})
