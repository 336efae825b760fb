/**
 * Prints what the inspector costs with so many open connections: memory for each, and processor time for an update.
 *
 *     npx -y pnpm@12 exec node --expose-gc packages/inspector/test/screenshots/figures.ts [CONNECTIONS]
 */
import * as Client from "@effect-ws/client/Client"
import * as MessageCodec from "@effect-ws/connection/MessageCodec"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import { Console, Effect, Layer, Logger } from "effect"
import * as zlib from "node:zlib"
import * as Inspector from "../../src/Inspector.ts"
import { InspectorProtocol } from "../../src/InspectorProtocol.ts"
import { page } from "../../src/internal/page.ts"
import { recordOf } from "../../src/internal/recordOf.ts"
import { Viewer } from "../../src/internal/Viewer.ts"

const size = Number(process.argv[2] ?? 10_000)
const server = WebSocketServer.layer({ onMessage: () => Effect.void }, { keepalive: false })
const collect = globalThis.gc ?? (() => console.error("run it with --expose-gc"))

const heap = Effect.gen(function* () {
  yield* Effect.sleep("2 seconds")
  collect()
  return process.memoryUsage().heapUsed
})

const opened = Effect.gen(function* () {
  const before = yield* heap
  const clients = yield* Effect.forEach(
    Array.from({ length: size }),
    () => Client.connect("ws://crowd.test/chat", { handshakeTimeout: "2 minutes" }),
    { concurrency: 64 }
  )
  return { clients, bytes: ((yield* heap) - before) / size }
})

const network = Layer.fresh(Memory.layer({ port: 80, pipeSize: 4096 }))
const run = <A, E>(effect: Effect.Effect<A, E, never>) => Effect.runPromise(Effect.provide(effect, Logger.layer([])))

const encoder = MessageCodec.json.compile(InspectorProtocol.server.send)

/** Milliseconds of processor time to make and encode an update, and its bytes. */
const update = (viewer: Viewer): { readonly millis: number; readonly bytes: number; readonly longest: number } => {
  const start = process.cpuUsage()
  let bytes = 0
  let longest = 0
  let last = performance.now()
  for (const message of viewer.update()) {
    bytes += (Effect.runSync(encoder.encode(message) as Effect.Effect<string>) as string).length
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }
  const { system, user } = process.cpuUsage(start)
  return { millis: (system + user) / 1000, bytes, longest }
}

const say = (what: string, { bytes, longest, millis }: ReturnType<typeof update>) =>
  Console.log(
    `${what}: ${millis.toFixed(1)} ms in all, ${longest.toFixed(1)} ms at a time, ${(bytes / 1024).toFixed(0)} KiB`
  )

const bare = await run(
  Effect.scoped(Effect.provide(opened, server.pipe(Layer.provideMerge(network)))).pipe(Effect.map(({ bytes }) => bytes))
)
await run(
  Effect.gen(function* () {
    const { bytes, clients } = yield* opened
    yield* Console.log(`${size} connections, both ends in this process`)
    yield* Console.log(`heap for each: ${bare.toFixed(0)} bytes without, ${bytes.toFixed(0)} with the inspector`)
    const record = recordOf(yield* Inspector.Inspector)
    for (let round = 0; round < 3; round++) yield* say("a viewer arrives", update(new Viewer(record)))
    const viewer = new Viewer(record)
    update(viewer)
    for (let round = 0; round < 3; round++) {
      for (const client of clients) yield* client.send("hello")
      yield* Effect.sleep("1 second")
      yield* say("all have changed", update(viewer))
    }
    for (let round = 0; round < 3; round++) yield* say("none has changed", update(viewer))
    const { html } = page()
    yield* Console.log(`the page: ${html.length} bytes, ${zlib.gzipSync(html, { level: 9 }).length} gzip`)
  }).pipe(
    Effect.scoped,
    Effect.provide(server.pipe(Layer.provideMerge(Inspector.layer()), Layer.provideMerge(network)))
  )
)
process.exit(0)
