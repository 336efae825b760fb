import * as DeflateFrame from "@effect-ws/extensions/DeflateFrame"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Stream } from "effect"
import * as Telemetry from "../src/Telemetry.ts"
import { pair } from "./support/pair.ts"

const text = "again and ".repeat(1000)

const counter = (name: string, role: string): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (snapshot) => {
    const found = snapshot.find(({ attributes, id }) => id === name && attributes?.["role"] === role)
    return found?.type === "Counter" ? Number(found.state.count) : Number.NaN
  })

describe("bytes", () => {
  it.effect("are counted alike at both ends, chunks whose memory is freed at once included", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      for (const message of [text, new Uint8Array(20_000), "short", text.repeat(30)]) {
        yield* Effect.forkScoped(client.send(message))
        assert.strictEqual((yield* server.receive).data.length, message.length)
      }
      const sent = yield* counter("websocket_sent_bytes_total", "client")
      assert.isAbove(sent, 31 * text.length + 20_000)
      assert.strictEqual(yield* counter("websocket_received_bytes_total", "server"), sent)
    }).pipe(
      Effect.provide(Memory.layer({ port: 80 })),
      Effect.provide(Telemetry.layer()),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )
})

describe("what compression saves", () => {
  for (const [name, layer] of [
    ["permessage-deflate", PermessageDeflate.layer()],
    [
      "permessage-deflate without takeover",
      PermessageDeflate.layer({ serverContextTakeover: false, clientContextTakeover: false })
    ],
    ["deflate-frame", DeflateFrame.layer()]
  ] as const) {
    it.live(`is measured both ways: ${name}`, () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair({})
        for (const [from, to] of [
          [client, server],
          [server, client]
        ] as const) {
          yield* from.send("not worth it")
          yield* from.send(text)
          yield* from.sendStream({ _tag: "Text", chunks: Stream.make(text, text) })
          for (const length of [12, text.length, 2 * text.length]) {
            assert.strictEqual((yield* to.receive).data.length, length)
          }
        }
        const snapshot = yield* Metric.snapshot
        const weight = (what: string, role: string): number => {
          const found = snapshot.find(
            ({ attributes, id }) => id === `websocket_${what}_bytes_total` && attributes?.["role"] === role
          )
          return found?.type === "Counter" ? Number(found.state.count) : Number.NaN
        }
        for (const [role, peer] of [
          ["client", "server"],
          ["server", "client"]
        ] as const) {
          assert.strictEqual(weight("compression_input", role), 3 * text.length)
          assert.isAbove(weight("compression_output", role), 10)
          assert.isBelow(weight("compression_output", role), 1000)
          assert.strictEqual(weight("decompression_output", peer), 3 * text.length)
          assert.strictEqual(weight("decompression_input", peer), weight("compression_output", role))
        }
      }).pipe(
        Effect.provide(layer),
        Effect.provide(Memory.layer({ port: 80 })),
        Effect.provide(Telemetry.layer()),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
    )
  }
})
