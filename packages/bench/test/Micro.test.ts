import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sourceFile, spawn } from "../src/Child.ts"
import { here } from "../src/micro/Checkout.ts"
import * as MicroBench from "../src/micro/MicroBench.ts"
import { clients, servers } from "../src/micro/MicroPeer.ts"
import * as MicroRow from "../src/micro/MicroRow.ts"
import { ways } from "../src/micro/TypedPeer.ts"

const sample = (peer: string, row: string) =>
  Effect.gen(function* () {
    const command = [process.execPath, "--expose-gc", sourceFile("micro/subject.ts"), peer, row, here, "quick"]
    const child = yield* spawn(peer, command, peer === "ws-nobufferutil" ? { WS_NO_BUFFER_UTIL: "1" } : {})
    return (JSON.parse(yield* child.line(30)) as { readonly value: number }).value
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

// The subject itself fails where the bytes that come back are not those of every echo.
describe("the subject of the in-process benchmark", () => {
  for (const peer of servers) {
    it.live(
      `echoes with ${peer}`,
      () =>
        Effect.gen(function* () {
          for (const row of ["3x2x100-text", "2x1x70000"]) assert.isAbove(yield* sample(peer, row), 0)
        }),
      60_000
    )
  }
  for (const peer of ["ws", ...ways]) {
    it.live(
      `echoes values with ${peer}`,
      () => Effect.map(sample(peer, "typed"), (value) => assert.isAbove(value, 0)),
      60_000
    )
  }
  for (const peer of ["ws", "handlers", "queue"]) {
    it.live(
      `opens, closes and holds connections with ${peer}`,
      () =>
        Effect.gen(function* () {
          for (const row of ["handshakes", "idle"]) assert.isAbove(yield* sample(peer, row), 0)
        }),
      60_000
    )
  }
  for (const peer of clients) {
    it.live(
      `connects with ${peer}`,
      () => Effect.map(sample(peer, "client-handshakes"), (value) => assert.isAbove(value, 0)),
      60_000
    )
  }
})

describe("MicroRow.parse", () => {
  it("reads rows as the benchmark over sockets does", () => {
    assert.deepInclude(MicroRow.parse("64x1x16K").load, { mode: "echo", connections: 64, depth: 1, bytes: 16_384 })
    for (const name of MicroRow.standard) assert.strictEqual(MicroRow.parse(name).name, name)
  })

  it("refuses rows that need sockets", () => {
    for (const name of ["broadcast-10", "64x1x1K-json-deflate", "nonsense"]) assert.throws(() => MicroRow.parse(name))
  })
})

describe("MicroBench", () => {
  it("names the peers that there are", () => {
    assert.throws(() => MicroBench.select(["nobody"]), /names among floor, ws,/)
  })

  it("refuses a base that is no checkout", () => {
    assert.throws(() => MicroBench.findCheckout("/nowhere"), /a checkout of this repository/)
  })
})
