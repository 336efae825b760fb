import * as Extension from "@effect-ws/extensions/Extension"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { pair } from "./support/pair.ts"

describe("the end of a connection", () => {
  it.effect("lets each extension let go once, on both ends, though their Scopes are still open", () => {
    let closed = 0
    const held = Extension.make({
      name: "x-held",
      offer: Schema.Struct({}),
      answer: Schema.Struct({}),
      offers: [{}],
      accept: () => ({}),
      open: () => Effect.succeed({ decode: () => {}, encode: () => {}, close: () => void closed++ })
    })
    return Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive: false })
      assert.strictEqual(client.extensions[0]?.name, "x-held")
      assert.strictEqual(closed, 0)
      yield* client.close()
      yield* server.closed
      assert.strictEqual(closed, 2)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })), Effect.provide(Extensions.layer([held])))
  })
})
