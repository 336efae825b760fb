import { NodeServices } from "@effect/platform-node"
import * as Certificates from "@effect-ws/test-support/Certificates"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Http2Bench from "../src/http2/Http2Bench.ts"

describe("Http2Bench", () => {
  it("knows its rows", () => {
    assert.strictEqual(Http2Bench.parse("idle"), "idle")
    assert.throws(() => Http2Bench.parse("64x1"), "a name among 64x1x64, 64x1x16K, handshakes, idle, unread")
  })

  for (const version of ["1.1", "2"] as const) {
    it.live(
      `measures echoes, handshakes and memory over HTTP/${version}`,
      () =>
        Effect.gen(function* () {
          const pair = yield* Effect.promise(() =>
            Certificates.makeSelfSigned({ name: "localhost", ...Certificates.localhost })
          )
          for (const load of [
            { mode: "echo", sockets: 4, bytes: 70_000 },
            { mode: "handshakes", sockets: 2 },
            { mode: "idle", sockets: 120 }
          ] as const) {
            const sample = yield* Http2Bench.take(version, load, { seconds: 0.5, warmup: 0.2 }, pair)
            assert.isAbove(sample.value ?? 1, 0, load.mode)
          }
        }).pipe(Effect.provide(NodeServices.layer)),
      60_000
    )
  }
})
