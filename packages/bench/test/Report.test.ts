import { assert, describe, it } from "@effect/vitest"
import { renderTable, summarize } from "../src/Report.ts"
import { parse } from "../src/Row.ts"

const entry = (peer: string, values: ReadonlyArray<number | undefined>) => ({
  peer,
  samples: values.map((value) => (value === undefined ? undefined : { value, cpuMicros: 1e6 / value })),
  failures: values.flatMap((value, i) => (value === undefined ? [`round ${i + 1}: ${peer} ended`] : []))
})

describe("summarize", () => {
  it("gives medians, ratios to ws and to the floor, and ties", () => {
    const table = summarize(parse("64x1x64"), [
      entry("ws", [100, 50, 110]),
      entry("near", [105, 52, 112]),
      entry("floor", [200, 100, 220])
    ])
    const [ws, near, floor] = table.entries
    assert.strictEqual(ws!.value, 100)
    assert.strictEqual(ws!.toWs, 1)
    assert.strictEqual(ws!.tie, false)
    assert.strictEqual(ws!.toFloor, 0.5)
    assert.strictEqual(near!.toWs, 52 / 50)
    assert.deepStrictEqual(near!.toWsRange, [112 / 110, 105 / 100])
    assert.match(renderTable(table), /^near .* 1\.02 - 1\.05 /m)
    assert.strictEqual(near!.tie, true)
    assert.strictEqual(floor!.toWs, 2)
    assert.strictEqual(floor!.tie, false)
    assert.strictEqual(floor!.cpuToWs, 0.5)
  })

  it("has no ratios without ws", () => {
    const [only] = summarize(parse("64x1x64"), [entry("floor", [1])]).entries
    assert.strictEqual(only!.toWs, undefined)
    assert.strictEqual(only!.toWsRange, undefined)
    assert.strictEqual(only!.tie, false)
  })
})

describe("renderTable", () => {
  it("shows what failed and counts the rest", () => {
    const text = renderTable(summarize(parse("64x1x64"), [entry("ws", [100, undefined, 300])]))
    assert.match(text, /^64x1x64 \(more is better\)$/m)
    assert.match(text, /^ws +200 /m)
    assert.match(text, /failed: round 2: ws ended/)
  })

  it("says that less memory is better", () => {
    assert.match(renderTable(summarize(parse("idle"), [entry("ws", [9])])), /idle \(less is better\)[^]*RSS KiB\/conn/)
  })
})
