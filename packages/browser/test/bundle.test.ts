/** What a page loads: nothing of Node, and not much beside Effect. */
import { bundle } from "@effect-ws/test-support/Bundle"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

// What the client uses of Effect.
const effectAlone = `
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
globalThis.kept = Effect.gen(function* () {
  const queue = yield* Queue.unbounded()
  yield* Stream.runDrain(Stream.fromQueue(queue))
  return [Schema.TaggedError, Schema.Literals, Effect.sleep("1 second"), Effect.timeoutOrElse]
})
`

const client = `
import * as BrowserClient from "@effect-ws/browser/BrowserClient"
globalThis.kept = BrowserClient.connect
`

const KiB = 1024

describe("a bundle for browsers", { timeout: 60_000 }, () => {
  it.live("imports nothing of Node", () =>
    Effect.gen(function* () {
      for (const module of ["@effect-ws/browser", "@effect-ws/connection/ResumableClient"]) {
        const { code, external, modules } = yield* bundle(import.meta.dirname, `export * from "${module}"`)
        assert.deepStrictEqual(external, [], module)
        assert.notMatch(code, /\b(?:require\(|process\.|Buffer\.)/, module)
        assert.isAbove(modules.length, 10)
      }
      // The check finds what it looks for.
      const { external } = yield* bundle(import.meta.dirname, `export * from "@effect-ws/connection/MaskingKeys"`)
      assert.deepStrictEqual(external, ["node:crypto"])
    })
  )

  it.live("adds at most 12 KiB of gzip to what it uses of Effect, with the client alone", () =>
    Effect.gen(function* () {
      const base = yield* bundle(import.meta.dirname, effectAlone)
      const { gzipped } = yield* bundle(import.meta.dirname, client)
      assert.isAbove(gzipped, base.gzipped)
      assert.isAtMost(gzipped - base.gzipped, 12 * KiB)
      assert.isAtMost(gzipped, 50 * KiB)
    })
  )
})
