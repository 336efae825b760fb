import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import * as Peer from "../src/Peer.ts"
import type { Report } from "../src/Report.ts"
import * as Row from "../src/Row.ts"
import * as Sample from "../src/Sample.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const conditions: Sample.Conditions = { window: { warmup: 0.02, seconds: 0.05 }, pinning: undefined }
// Compressed messages are counted whole, so one has to be complete in the window.
const longer: Sample.Conditions = { window: { warmup: 0.1, seconds: 0.4 }, pinning: undefined }

const found = Peer.discover()

// One server proves that the generator handles every frame length; for the others a short and a long one will do.
const every = ["2x1x0", "2x2x1", "4x3x125-text", "2x2x126", "2x1x65535", "2x1x65536-text", "2x2x1M"]
const few = ["4x3x64-text", "2x2x64K"]
const compressed = ["3x40x100-json-deflate", "2x20x16K-json-deflate-takeover"]

describe("the servers", () => {
  for (const peer of Peer.partaking(found.available, { role: "server" })) {
    const rows = [
      ...(peer.name === "ws" ? every : few),
      ...(peer.secures ? ["2x2x1K-tls", "2x1x64K-tls"] : []),
      ...(peer.compresses ? compressed : []),
      "startup"
    ]
    it.live(
      `${peer.name} echoes ${rows.join(", ")}`,
      () =>
        Effect.gen(function* () {
          for (const name of rows) {
            const sample = yield* Sample.take(peer, Row.parse(name), name.includes("-") ? longer : conditions)
            assert.isAbove(sample.value!, 0, name)
          }
        }).pipe(Effect.provide(NodeServices.layer)),
      60_000
    )
  }

  for (const { name, reason } of found.missing) {
    it.live.skip(`${name}: ${reason}`, () => Effect.void)
  }

  it.live(
    "fail with a reason when they do not start",
    () =>
      Effect.gen(function* () {
        const broken: Peer.Peer = {
          name: "broken",
          description: "",
          program: "false",
          file: "ws.ts",
          env: {},
          compresses: true,
          secures: true,
          roles: ["server"]
        }
        const error = yield* Effect.flip(Sample.take(broken, Row.parse("1x1x1"), conditions))
        assert.strictEqual(error.message, "broken ended before it had anything to say")
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )
})

describe("fairness", () => {
  it.live(
    "of ws is measured with a busy connection and without",
    () =>
      Effect.gen(function* () {
        const [ws] = Peer.select(found, ["ws"])
        const sample = yield* Sample.take(ws!, Row.parse("fairness"), longer)
        assert.isAbove(sample.value!, 0)
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )
})

describe("the servers that broadcast", () => {
  for (const peer of Peer.partaking(found.available, { role: "broadcast" })) {
    it.live(
      `${peer.name} delivers to 20 connections`,
      () =>
        Effect.gen(function* () {
          const sample = yield* Sample.take(peer, Row.parse("broadcast-20"), longer)
          assert.isAbove(sample.value!, 0)
        }).pipe(Effect.provide(NodeServices.layer)),
      60_000
    )
  }
})

describe("the clients", () => {
  for (const peer of Peer.partaking(found.available, { role: "client" })) {
    const rows = ["client-4x3x64-text", "client-2x2x64K", "client-2x1x125", "client-handshakes-4"]
    it.live(
      `${peer.name} plays ${rows.join(", ")}`,
      () =>
        Effect.gen(function* () {
          for (const name of rows) {
            const sample = yield* Sample.take(peer, Row.parse(name), longer)
            assert.isAbove(sample.value!, 0, name)
          }
        }).pipe(Effect.provide(NodeServices.layer)),
      60_000
    )
  }
})

describe("the command line", () => {
  it.live(
    "measures ws in one short round and writes what it measured",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
        const file = yield* fs.makeTempFileScoped()
        const output = yield* spawner.string(
          ChildProcess.make(process.execPath, [
            main,
            "4x1x64",
            "idle-20",
            "idle-20-deflate-takeover",
            "handshakes-4",
            "--peers",
            "ws",
            "--rounds",
            "1",
            "--seconds",
            "0.2",
            "--json",
            file
          ])
        )
        assert.match(output, /^ws +[\d,.]+ +(1\.00|-) /m)
        const report = JSON.parse(yield* fs.readFileString(file)) as Report
        assert.deepStrictEqual(
          report.rows.map((row) => row.row),
          ["4x1x64", "idle-20", "idle-20-deflate-takeover", "handshakes-4"]
        )
        for (const row of report.rows) {
          assert.deepStrictEqual(
            row.entries.map((entry) => [entry.peer, entry.failures.length]),
            [["ws", 0]]
          )
        }
        assert.isAbove(report.rows[0]!.entries[0]!.value!, 0)
        assert.isAbove(report.rows[3]!.entries[0]!.value!, 0)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000
  )

  it.live(
    "refuses a row that it does not know, and starts nothing",
    () =>
      Effect.gen(function* () {
        const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
        const exit = yield* spawner.exitCode(ChildProcess.make(process.execPath, [main, "fast", "--peers", "ws"]))
        assert.strictEqual(exit, 1)
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )
})
