/** The three nodes, the Redis and the load balancer of docs/scale.md, as that page has them but for the ports. */
import * as Executable from "@effect-ws/test-support/Executable"
import { freePort } from "@effect-ws/test-support/LocalPort"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { Client } from "effect-ws"
import * as TopicClient from "effect-ws/TopicClient"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { kill, start } from "./support/programs.ts"

const missing = [
  ...(Executable.runs("redis-server", "--version") ? [] : ["redis-server"]),
  ...(Executable.runs("haproxy", "-v") ? [] : ["haproxy"])
]
const isLeftOut = missing.length > 0 && process.env["CI"] === undefined

const page = readFileSync(new URL("../../../docs/scale.md", import.meta.url), "utf8")
const configuration = /```text\n(defaults\n[^`]*)```/.exec(page)![1]!
const redisFlags = /^redis-server (.*)$/m.exec(page)![1]!.split(" ")

const numbers = (to: number): ReadonlyArray<string> => Array.from({ length: to }, (_, at) => String(at + 1))

it.live.skipIf(isLeftOut)(
  `clients behind haproxy lose and double nothing when a node is killed and another one is stopped${isLeftOut ? ` (left out: no ${missing.join(", no ")})` : ""}`,
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ws-balanced-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const [redis = 0, front = 0, ...ports] = yield* Effect.replicateEffect(freePort, 5)
      const flags = ["--port", String(redis), "--bind", "127.0.0.1", "--dir", folder, ...redisFlags]
      yield* start("redis-server", flags, redis)
      const file = new URL("../src/rooms.ts", import.meta.url).pathname
      const nodes = yield* Effect.forEach(
        ports,
        (port) =>
          start(process.execPath, [file], port, { PORT: String(port), REDIS_URL: `redis://127.0.0.1:${redis}` }),
        { concurrency: "unbounded" }
      )
      const config = join(folder, "haproxy.cfg")
      const withPorts = ports.reduce(
        (text, port, at) => text.replace(`127.0.0.1:800${at + 1}`, `127.0.0.1:${port}`),
        configuration.replace("127.0.0.1:8000", `127.0.0.1:${front}`)
      )
      writeFileSync(config, withPorts)
      yield* start("haproxy", ["-db", "-f", config], front)

      let reconnects = 0
      const makeClient = Effect.gen(function* () {
        const client = yield* TopicClient.make({
          url: `ws://127.0.0.1:${front}/`,
          schedule: Schedule.spaced("200 millis"),
          while: () => true
        })
        yield* Effect.forkScoped(
          Stream.runForEach(client.events, (event) =>
            Effect.sync(() => void (reconnects += Number(event._tag === "Closed")))
          )
        )
        return client
      })
      const clients = yield* Effect.replicateEffect(makeClient, 9)
      const got = yield* Effect.forEach(clients, (client) => {
        const lines: Array<string> = []
        return Effect.as(
          Effect.forkScoped(
            Stream.runForEach(client.subscribe("room:tea", { after: "oldest" }), (item) =>
              Effect.sync(() => lines.push(item._tag === "Entry" ? String(item.data) : item.reason))
            )
          ),
          lines
        )
      })
      const publisher = yield* makeClient
      let published = 0
      const publish = Effect.suspend(() => publisher.publish("room:tea", String(++published)))
      const arrives = Effect.suspend(() =>
        got.every(({ length }) => length >= published) ? Effect.void : Effect.fail("")
      )
      const settled = Effect.retry(arrives, { schedule: Schedule.spaced("50 millis"), times: 600 })

      yield* Effect.replicateEffect(publish, 10)
      yield* settled
      // Some of the ten were there: with `leastconn` each node has three or four.
      yield* kill(nodes[0]!)
      yield* Effect.replicateEffect(publish, 20)
      yield* settled
      const afterKill = reconnects
      assert.isAtLeast(afterKill, 2)
      const stopped = yield* Effect.forkScoped(kill(nodes[1]!, "SIGTERM"), { startImmediately: true })
      while (stopped.pollUnsafe() === undefined) {
        yield* publish
        yield* Effect.sleep("100 millis")
      }
      yield* publish
      yield* settled
      assert.isAtLeast(reconnects - afterKill, 2)
      assert.strictEqual(nodes[1]!.exitCode, 130)
      for (const lines of got) assert.deepStrictEqual(lines, numbers(published))
    }).pipe(Effect.provide(Client.layerDialer()), Effect.scoped),
  120_000
)
