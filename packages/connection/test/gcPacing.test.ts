import { assert, describe, it } from "@effect/vitest"
import * as GcPacing from "../src/internal/receive/gcPacing.ts"

describe("pacing of the garbage collector", () => {
  it("collects the young generation once for every 16 MiB where the collector is exposed", () => {
    const calls: Array<string> = []
    const note = GcPacing.makePacing(({ type }) => void calls.push(type))
    const before = GcPacing.sink
    for (let chunk = 1; chunk < 256; chunk++) note(65_536)
    assert.deepStrictEqual(calls, [])
    note(65_536)
    assert.deepStrictEqual(calls, ["minor"])
    for (let chunk = 0; chunk < 256; chunk++) note(65_536)
    assert.deepStrictEqual(calls, ["minor", "minor"])
    assert.strictEqual(GcPacing.sink, before)
  })

  it("leaves garbage of a quarter of the bytes where it is not", () => {
    const note = GcPacing.makePacing(undefined)
    const before = GcPacing.sink
    note(16_384)
    assert.strictEqual(GcPacing.sink, before)
    note(16_384)
    assert.notStrictEqual(GcPacing.sink, before)
  })
})
