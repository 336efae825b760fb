import { assert, describe, it } from "@effect/vitest"
import { draw } from "../src/Chart.ts"
import { group, insert, render } from "../src/Page.ts"
import { type Report, summarize } from "../src/Report.ts"
import { parse } from "../src/Row.ts"

const table = (row: string, ours: number) =>
  summarize(parse(row), [
    { peer: "queue", samples: [{ value: 200, cpuMicros: ours, heapKiB: 2 }], failures: [] },
    { peer: "ws", samples: [{ value: 100, cpuMicros: 10, heapKiB: 3 }], failures: [] }
  ])

const report: Report = {
  environment: {
    date: "2026-01-02T03:04:05Z",
    processor: "a processor",
    cores: 2,
    memoryGiB: 8,
    system: "Linux",
    node: "v26.1.0",
    loadAverage: 0,
    pinning: "pinned",
    peers: { queue: "ours", ws: "ws 8" },
    missing: {}
  },
  rounds: 1,
  seconds: 2,
  rows: ["64x1x64", "64x1x1K-tls", "64x1x1K-json-deflate", "client-64x1x64", "broadcast-1000", "startup", "idle"].map(
    (row) => table(row, 8.5)
  )
}

describe("a page of figures", () => {
  it("has a section with a table for each group of rows", () => {
    const text = render(report)
    assert.deepStrictEqual(
      [...text.matchAll(/^### (.*)$/gm)].map((match) => match[1]),
      [
        "Messages",
        "Messages over TLS",
        "Compressed messages",
        "Clients",
        "Broadcast",
        "Handshakes and start-up",
        "Idle connections"
      ]
    )
    assert.include(text, "| 64x1x64 | **0.85**<br>0.85 - 0.85<br>8.5 us | **1.00**<br>10.0 us |")
    assert.include(text, "| 64x1x64 | **2.00**<br>200 | **1.00**<br>100 |")
    assert.include(text, "| idle | **2.00**<br>2.00 - 2.00<br>200.0 KiB |")
  })

  it("is put between two marks, again and again", () => {
    const marks = "<!-- figures: written by `bench page` -->\nold\n<!-- end of figures -->"
    const once = insert(`# Before\n${marks}\nafter\n`, "new")
    assert.match(once, /^# Before\n.*\n\nnew\n\n.*\nafter\n$/)
    assert.strictEqual(insert(once, "new"), once)
    assert.throws(() => insert("# No marks", "new"), /a page with the lines/)
  })
})

describe("a chart", () => {
  it("is SVG with a bar and its figure for each peer but ws", async () => {
    const svg = await draw(group(report)[0]!)
    assert.match(svg, /^<svg [^]*<\/svg>$/)
    assert.include(svg, ">0.85<")
    assert.include(svg, ">queue<")
    assert.notInclude(svg, ">ws<")
  })
})
