/** What `effect-ws/browser` brings into a page. */
import { bundle } from "@effect-ws/test-support/Bundle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const KiB = 1024

describe("effect-ws/browser", { timeout: 60_000 }, () => {
  it.live("imports nothing of Node", () =>
    Effect.gen(function* () {
      const { code, external, modules } = yield* bundle(import.meta.dirname, `export * from "effect-ws/browser"`)
      assert.deepStrictEqual(external, [])
      assert.notMatch(code, /\b(?:require\(|process\.|Buffer\.)/)
      assert.isAbove(modules.length, 10)
    })
  )

  it.live("is at most 50 KiB of gzip with the client, typed messages and Effect's part of it", () =>
    Effect.gen(function* () {
      const typed = `
import * as Schema from "effect/Schema"
import { BrowserClient, TypedConnection } from "effect-ws/browser"
globalThis.kept = [
  BrowserClient.connect,
  TypedConnection.make,
  TypedConnection.protocol({ fromClient: Schema.Struct({ a: Schema.Date }), fromServer: Schema.Struct({ b: Schema.Int }) })
]`
      const { gzipped } = yield* bundle(import.meta.dirname, typed)
      assert.isAbove(gzipped, 10 * KiB)
      assert.isAtMost(gzipped, 50 * KiB, "with typed messages")
    })
  )
})
