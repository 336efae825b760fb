import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Metric, Schedule, Stream } from "effect"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as TopicClient from "../src/TopicClient.ts"
import { makeNode, RedisServer, testWithRedis } from "./support/redis.ts"
import { serve, settle } from "./support/servers.ts"

/** The metrics of topics by name, and by shard where they have one. */
const figures: Effect.Effect<Readonly<Record<string, number>>> = Effect.map(Metric.snapshot, (snapshots) =>
  Object.fromEntries(
    snapshots.flatMap((snapshot): ReadonlyArray<readonly [string, number]> => {
      if (!snapshot.id.startsWith("effect_ws_topic_")) return []
      const value =
        snapshot.type === "Counter" ? snapshot.state.count : snapshot.type === "Gauge" ? snapshot.state.value : -1
      const shard = snapshot.attributes?.["shard"]
      return [[snapshot.id.slice("effect_ws_topic_".length) + (shard === undefined ? "" : ` ${shard}`), Number(value)]]
    })
  )
)

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

/** Waits until the figures are as they should be. */
const until = (holds: (figures: Readonly<Record<string, number>>) => boolean) =>
  Effect.repeat(figures, { schedule: Schedule.spaced("20 millis"), until: holds })

describe("metrics of topics", () => {
  it.effect("count what a node appends, delivers, reads in pages, and the gaps that it sends", () =>
    isolated(
      Effect.gen(function* () {
        const { log } = yield* serve({ port: 1, engine: MemoryEngine.make(), log: { maxEntries: 5, recentEntries: 2 } })
        const before = yield* log.head("room")
        for (let at = 1; at <= 8; at++) yield* log.append("room", String(at))
        const client = yield* TopicClient.make({ url: "ws://node:1/" })
        yield* Effect.forkScoped(Stream.runDrain(client.subscribe("room", { after: before })), {
          startImmediately: true
        })
        yield* settle
        yield* log.append("room", "9")
        yield* settle
        const { appended, delivered, gaps, page_reads } = yield* figures
        // 1 to 3 were trimmed: one gap, 4 to 8 from the log, 9 as it came.
        assert.deepStrictEqual({ appended, delivered, gaps }, { appended: 9, delivered: 6, gaps: 1 })
        // The newest entries of the control topic and of this one when they are followed, and what the subscriber
        // lacks.
        assert.strictEqual(page_reads, 3)
      }).pipe(Effect.provide(Layer.provideMerge(Memory.layerDialer, Memory.layerNetwork())))
    )
  )

  testWithRedis("tell the lag of each followed shard, and the reconnects of the engine", () =>
    isolated(
      Effect.gen(function* () {
        const server = yield* RedisServer.start()
        const node = yield* makeNode(server.url, { shards: 64, blockTimeout: "200 millis" })
        yield* node.follow("one")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* node.follow("two")
            yield* node.append("one", "x")
            yield* node.append("two", "x")
            const names = Object.keys(
              yield* until((now) => Object.keys(now).filter((name) => name.startsWith("lag")).length === 2)
            )
            assert.lengthOf(new Set(names.filter((name) => /^lag \d+$/.test(name))), 2)
            // In a quiet moment the node has everything.
            yield* until((now) => Object.entries(now).every(([name, value]) => !name.startsWith("lag") || value === 0))
          })
        )
        // A shard without a followed topic is not followed, and has no lag.
        yield* until((now) => Object.keys(now).filter((name) => name.startsWith("lag")).length === 1)
        assert.isUndefined((yield* figures)["engine_reconnects"])
        yield* Effect.andThen(server.kill, server.run)
        yield* until((now) => now["engine_reconnects"] === 1)
        let appended = yield* Effect.exit(node.append("one", "y", { id: "y" }))
        while (Exit.isFailure(appended)) appended = yield* Effect.exit(node.append("one", "y", { id: "y" }))
      })
    )
  )
})
