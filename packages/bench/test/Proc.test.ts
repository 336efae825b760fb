import { assert, describe, it } from "@effect/vitest"
import { parseCores } from "../src/Pinning.ts"
import { cpuSeconds, parseCoreSeconds, parseCpuSeconds, parseRssKiB, rssKiB } from "../src/Proc.ts"

describe("parseCpuSeconds", () => {
  it("adds user and system time, whatever the program is called", () => {
    const stat = "4242 (no) de (1)) S 1 4242 4242 0 -1 4194560 9999 0 3 0 1250 250 7 8 20 0 11 0 1234 5678 910"
    assert.strictEqual(parseCpuSeconds(stat), 15)
  })
})

describe("parseRssKiB", () => {
  it("finds the line", () => {
    assert.strictEqual(parseRssKiB("VmHWM:\t  70000 kB\nVmRSS:\t   65432 kB\nRssAnon:\t  1 kB\n"), 65432)
    assert.strictEqual(parseRssKiB("Name:\tkthreadd\n"), undefined)
  })
})

describe("parseCoreSeconds", () => {
  it("adds what programs and the host took of one core, and no interrupts", () => {
    const stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 100 20 30 9000 7 5 6 50 0 0\nintr 1\n"
    assert.strictEqual(parseCoreSeconds(stat, 1), 2)
    assert.strictEqual(parseCoreSeconds(stat, 2), undefined)
  })
})

describe("another process", () => {
  it("is undefined when there is no such process", () => {
    assert.strictEqual(cpuSeconds(-1), undefined)
    assert.strictEqual(rssKiB(-1), undefined)
  })
})

describe("parseCores", () => {
  it("reads ranges and single cores", () => {
    assert.deepStrictEqual(parseCores("0-2,5,7-8"), [0, 1, 2, 5, 7, 8])
    assert.deepStrictEqual(parseCores("3"), [3])
  })
})
