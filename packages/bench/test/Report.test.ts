import { assert, describe, it } from "@effect/vitest"
import { renderTable, summarize } from "../src/Report.ts"
import { parse } from "../src/Row.ts"

const entry = (peer: string, values: ReadonlyArray<number | undefined>, given?: ReadonlyArray<number>) => ({
  peer,
  samples: values.map((value, i) =>
    value === undefined ? undefined : { value, cpuMicros: 1e6 / value, given: given?.[i] }
  ),
  failures: values.flatMap((value, i) => (value === undefined ? [`round ${i + 1}: ${peer} ended`] : []))
})

describe("summarize", () => {
  it("gives medians, and ratios to ws of processor time and of the figure", () => {
    const table = summarize(parse("64x1x64"), [
      entry("ws", [100, 50, 110]),
      entry("near", [105, 52, 112]),
      entry("floor", [200, 100, 220])
    ])
    const [ws, near, floor] = table.entries
    assert.strictEqual(ws!.value, 100)
    assert.strictEqual(ws!.toWs, 1)
    assert.isUndefined(ws!.range)
    assert.strictEqual(near!.toWs, 52 / 50)
    assert.closeTo(near!.range![0], 100 / 105, 1e-9)
    assert.closeTo(near!.range![1], 110 / 112, 1e-9)
    assert.match(renderTable(table), /^near .* 0\.95 - 0\.98 /m)
    assert.strictEqual(floor!.toWs, 2)
    assert.strictEqual(floor!.cpuToWs, 0.5)
  })

  it("makes no ratio of a round in which others used the core", () => {
    const table = summarize(parse("64x1x64"), [
      entry("ws", [100, 100], [1, 0.95]),
      entry("slowed", [50, 110], [0.7, 0.92]),
      entry("starved", [50, 50], [0.5, 0.89])
    ])
    const [, slowed, starved] = table.entries
    assert.closeTo(slowed!.cpuToWs!, 100 / 110, 1e-9)
    assert.strictEqual(slowed!.refused, 1)
    assert.isUndefined(starved!.cpuToWs)
    assert.isUndefined(starved!.toWs)
    assert.match(renderTable(table), /^starved +20,000\.00 +- /m)
    assert.match(renderTable(table), /starved: no ratio for 2 rounds, others used its core \(it was given 70%\)/)
  })

  it("has no ratios without ws", () => {
    const [only] = summarize(parse("64x1x64"), [entry("floor", [1])]).entries
    assert.isUndefined(only!.toWs)
    assert.isUndefined(only!.cpuToWs)
    assert.isUndefined(only!.range)
  })
})

describe("renderTable", () => {
  it("shows what failed and counts the rest", () => {
    const text = renderTable(summarize(parse("64x1x64"), [entry("ws", [100, undefined, 300])]))
    assert.match(text, /^64x1x64$/m)
    assert.match(text, /^ws .* 200 /m)
    assert.match(text, /failed: round 2: ws ended/)
  })

  it("shows memory, start-up and fairness in their own columns", () => {
    assert.match(renderTable(summarize(parse("idle"), [entry("ws", [9])])), /RSS KiB\/conn/)
    assert.match(renderTable(summarize(parse("startup"), [entry("ws", [9])])), /CPU ms/)
    assert.match(renderTable(summarize(parse("fairness"), [entry("ws", [9])])), /p99 beside \/ alone/)
  })
})
