/** What `effect-ws/browser` brings into a page. */
import { bundle } from "@effect-ws/test-support/Bundle"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const KiB = 1024

// What an Effect program in a page has already.
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

/**
 * Parts of a page, by their row in docs/browser.md: what they import, and how many KiB of gzip they may add to Effect.
 */
const parts = {
  connections: { imports: ["BrowserClient.connect"], most: 11 },
  "typed messages": { imports: ["BrowserClient.connect", "TypedConnection.make"], most: 14 },
  "a client that comes back": { imports: ["Reconnect.make"], most: 17 },
  "sessions that resume": { imports: ["BrowserClient.connect", "ResumableClient.make"], most: 20 },
  topics: { imports: ["TopicClient.make"], most: 26 }
}

describe("effect-ws/browser", { timeout: 60_000 }, () => {
  it.live("imports nothing of Node", () =>
    Effect.gen(function* () {
      const { code, external, modules } = yield* bundle(import.meta.dirname, `export * from "effect-ws/browser"`)
      assert.deepStrictEqual(external, [])
      assert.notMatch(code, /\b(?:require\(|process\.|Buffer\.)/)
      assert.isAbove(modules.length, 10)
    })
  )

  it.live.each(Object.entries(parts))("adds a bounded amount to Effect: %s", ([, { imports, most }]) =>
    Effect.gen(function* () {
      const source = `import { ${imports.map((name) => name.split(".")[0]).join(", ")} } from "effect-ws/browser"
globalThis.kept = [${imports.join(", ")}]`
      const base = yield* bundle(import.meta.dirname, effectAlone)
      const { gzipped } = yield* bundle(import.meta.dirname, source)
      const added = (gzipped - base.gzipped) / KiB
      assert.isAtMost(added, most)
      // A budget that is far above what is used keeps nothing small.
      assert.isAtLeast(added, most * 0.7)
    })
  )
})
