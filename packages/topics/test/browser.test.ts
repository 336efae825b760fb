/**
 * The client of topics in a browser: what a page has to load, and a page of a real one that survives the loss of a
 * node.
 */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { bundle } from "@effect-ws/test-support/Bundle"
import * as Chromium from "@effect-ws/test-support/Chromium"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as TopicLog from "../src/TopicLog.ts"
import * as TopicProtocol from "../src/TopicProtocol.ts"
import * as TopicServer from "../src/TopicServer.ts"

/** A node on a port of this machine. Closing its Scope ends it as a node that crashes does: it says nothing. */
const serve = Effect.fnUntraced(function* (engine: MemoryEngine.MemoryEngine) {
  const handlers = yield* TopicServer.make({ authorize: TopicServer.allowAll }).pipe(
    Effect.provide(yield* Layer.build(TopicLog.layerMemory({ engine })))
  )
  const services = yield* Layer.build(
    WebSocketServer.layer(handlers, {
      origins: "any",
      subprotocols: [TopicProtocol.subprotocol],
      drainTimeout: 0
    }).pipe(Layer.provide(Tcp.layerServer({ host: "127.0.0.1", port: 0 })))
  )
  const server = Context.get(services, WebSocketServer.WebSocketServer)
  assert(server.address._tag !== "UnixPathAddress")
  const abort = Effect.flatMap(
    server.connections,
    Effect.forEach((connection) => connection.abort("killed"))
  )
  yield* Effect.addFinalizer(() => abort)
  return `ws://127.0.0.1:${server.address.port}/`
})

describe("a topic client in a browser", { timeout: 60_000 }, () => {
  it.live("imports nothing of Node, and nothing of a server", () =>
    Effect.gen(function* () {
      const source = `export * from "@effect-ws/topics/BrowserTopicClient"`
      const { code, external, modules } = yield* bundle(import.meta.dirname, source)
      assert.deepStrictEqual(external, [])
      assert.notMatch(code, /\b(?:require\(|process\.|Buffer\.)/)
      // Of the transports it has what needs nothing of Node.
      const unwanted =
        /\/(?:server|transport)\/src\/(?!Monotonic|StoppedClock|internal\/callEach)|TopicLog\.ts$|LogNode|Redis|MemoryEngine/
      assert.deepStrictEqual(
        modules.filter((module) => unwanted.test(module)),
        []
      )
      assert.isAbove(modules.length, 10)
    })
  )

  it.live.skipIf(Chromium.isLeftOut)(
    "publishes and reads each entry once, while a node is lost (left out where Chromium is missing)",
    () =>
      Effect.gen(function* () {
        const { code } = yield* bundle(
          import.meta.dirname,
          `import { topics } from "./page/page.ts"
globalThis.topics = topics`
        )
        const browser = yield* Chromium.launch
        const page = yield* Effect.promise(() => browser.newPage())
        yield* Effect.promise(() => page.addScriptTag({ content: code, type: "module" }))
        yield* Effect.promise(() => page.waitForFunction("globalThis.topics !== undefined"))

        const engine = MemoryEngine.make()
        const first = yield* Scope.make()
        const urls = [yield* Scope.provide(serve(engine), first), yield* serve(engine)]
        const count = 300
        const run = Effect.promise(() => page.evaluate(`topics(${JSON.stringify(urls)}, ${count})`) as Promise<unknown>)
        const running = yield* Effect.forkChild(run, { startImmediately: true })
        yield* Effect.promise(() => page.waitForFunction("globalThis.received?.length > 20"))
        yield* Scope.close(first, Exit.void)

        const entries = Array.from({ length: count }, (_, n) => `entry ${n}`)
        const result = (yield* Fiber.join(running)) as Record<"history" | "positions" | "received", unknown>
        assert.deepStrictEqual(result.received, entries)
        assert.deepStrictEqual(
          result.positions,
          entries.map((_, n) => n + 1)
        )
        assert.isAbove(Number(result.history), 0)
      })
  )
})
