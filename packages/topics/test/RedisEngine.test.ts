import { freePort } from "@effect-ws/test-support/LocalPort"
import { assert, describe } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Stream } from "effect"
import type { Scope } from "effect"
import * as TopicLog from "../src/TopicLog.ts"
import * as TopicLogError from "../src/TopicLogError.ts"
import * as TopicPresence from "../src/TopicPresence.ts"
import { collect, suite, take, tell } from "./support/guarantees.ts"
import type { Cluster } from "./support/guarantees.ts"
import { makeNode, RedisServer, testWithRedis } from "./support/redis.ts"

const makeCluster: Effect.Effect<Cluster, unknown, Scope.Scope> = Effect.map(
  RedisServer.start("--appendonly", "no", "--dbfilename", "dump.rdb"),
  (server): Cluster => ({
    node: (options) => makeNode(server.url, options),
    // What SAVE wrote is what the server starts with again.
    snapshot: Effect.orDie(Effect.asVoid(server.command("SAVE"))),
    rollback: () => Effect.orDie(Effect.andThen(server.kill, server.run)),
    flush: Effect.orDie(Effect.asVoid(server.command("FLUSHALL"))),
    stop: Effect.andThen(Effect.orDie(server.command("SAVE")), server.kill),
    start: Effect.orDie(server.run),
    pass: Effect.sleep
  })
)

suite("Redis", (name, body) => {
  testWithRedis(name, () => Effect.flatMap(makeCluster, body))
})

const append = (data: string, id: string) => [data, { id }] as const

describe("over Redis", () => {
  testWithRedis("G1: with appendonly always, what was acknowledged outlives SIGKILL, without a gap", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start("--appendonly", "yes", "--appendfsync", "always")
      const node = yield* makeNode(server.url)
      const live = yield* collect(yield* node.follow("room"))
      for (let at = 0; at < 20; at++) yield* node.append("room", String(at))
      yield* Effect.andThen(server.kill, server.run)
      let exit = yield* Effect.exit(node.append("room", ...append("20", "x")))
      while (Exit.isFailure(exit)) {
        yield* Effect.sleep("50 millis")
        exit = yield* Effect.exit(node.append("room", ...append("20", "x")))
      }
      while (live.length < 21) yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(
        live.map(tell),
        Array.from({ length: 21 }, (_, at) => String(at))
      )
    })
  )

  testWithRedis("G5: a server that hangs fails appends in bounded time, and what it did meanwhile is not doubled", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const node = yield* makeNode(server.url)
      const live = yield* collect(yield* node.follow("room"))
      yield* node.append("room", "1")
      yield* server.signal("SIGSTOP")
      const [elapsed, error] = yield* Effect.timed(Effect.flip(node.append("room", ...append("2", "two"))))
      assert.strictEqual(error._tag, "OutcomeUnknown")
      assert.isBelow(Number(elapsed.value._tag === "Millis" ? elapsed.value.millis : 0), 10_000)
      yield* Effect.sleep("2 seconds")
      yield* server.signal("SIGCONT")
      let exit = yield* Effect.exit(node.append("room", ...append("2", "two")))
      while (Exit.isFailure(exit)) {
        yield* Effect.sleep("50 millis")
        exit = yield* Effect.exit(node.append("room", ...append("2", "two")))
      }
      yield* node.append("room", "3")
      while (live.length < 3) yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(live.map(tell), ["1", "2", "3"])
    })
  )

  testWithRedis("G5: an append waits for the engine where that was chosen", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const node = yield* makeNode(server.url, { whenUnavailable: "wait", commandTimeout: "10 seconds" })
      yield* node.append("room", "1")
      yield* server.kill
      yield* Effect.sleep("200 millis")
      const fiber = yield* Effect.forkChild(node.append("room", "2"), { startImmediately: true })
      yield* Effect.sleep("200 millis")
      yield* server.run
      assert.isFalse((yield* Fiber.join(fiber)).isDuplicate)
    })
  )

  testWithRedis("G1: with waitReplicas an append that no replica has is no success, and its retry is safe", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start("--repl-diskless-sync-delay", "0")
      const replica = yield* RedisServer.start("--replicaof", "127.0.0.1", String(server.port))
      const node = yield* makeNode(server.url, { waitReplicas: 1 })
      const publish = (data: string) => Effect.exit(node.append("room", ...append(data, data)))
      // The replica has to be in step first.
      let exit = yield* publish("1")
      while (Exit.isFailure(exit)) exit = yield* publish("1")
      yield* replica.signal("SIGSTOP")
      const error = yield* Effect.flip(node.append("room", ...append("2", "2")))
      assert.strictEqual(error._tag, "OutcomeUnknown")
      yield* replica.signal("SIGCONT")
      exit = yield* publish("2")
      while (Exit.isFailure(exit)) exit = yield* publish("2")
      assert.isTrue(exit.value.isDuplicate)
      assert.strictEqual((yield* node.head("room")).offset, 2)
    })
  )

  testWithRedis("G3: one evicted stream is a log that was made anew, and nothing happens to the others", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const node = yield* makeNode(server.url, { shards: 1 })
      const { position } = yield* node.append("a", "1")
      const other = yield* node.append("b", "1")
      yield* server.command("DEL", "{effect-ws:0}:log:a")
      yield* node.append("a", "2")
      yield* node.append("b", "2")
      assert.deepStrictEqual((yield* node.read("a", position)).items.map(tell), ["Recreated 1-0 lost unknown", "2"])
      assert.deepStrictEqual((yield* node.read("b", other.position)).items.map(tell), ["2"])
    })
  )

  testWithRedis("G2: the order holds when the scripts have to be loaded again", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const node = yield* makeNode(server.url)
      const live = yield* node.follow("room")
      for (let at = 0; at < 50; at++) {
        if (at % 5 === 0) yield* server.command("SCRIPT", "FLUSH")
        yield* node.append("room", String(at))
      }
      assert.deepStrictEqual(
        yield* take(live, 50),
        Array.from({ length: 50 }, (_, at) => String(at))
      )
    })
  )

  testWithRedis("G5: what a live stream lost is read from the log", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const node = yield* makeNode(server.url, { shards: 1 })
      const live = yield* collect(yield* node.follow("room"))
      yield* node.append("room", "1")
      yield* server.signal("SIGSTOP")
      yield* server.signal("SIGCONT")
      // In one step, so that the follower never sees what was added.
      yield* server.command("EVAL", "redis.call('DEL', '{effect-ws:0}:live')", "0")
      yield* node.append("room", "2")
      yield* node.append("other", "x")
      while (live.length < 2) yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(live.map(tell), ["1", "2"])
    })
  )

  testWithRedis("refuses a Redis Cluster at start", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start("--cluster-enabled", "yes")
      const error = yield* Effect.flip(makeNode(server.url))
      assert.instanceOf(error, TopicLogError.EngineUnsupported)
      assert.match(error.message, /this Redis is a cluster/)
    })
  )

  testWithRedis("fails in bounded time where there is no Redis at start, and starts where one comes", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const error = yield* Effect.flip(makeNode(`redis://127.0.0.1:${port}`, { startTimeout: "500 millis" }))
      assert.strictEqual(error._tag, "LogUnavailable")
      const server = yield* RedisServer.start()
      yield* server.kill
      const fiber = yield* Effect.forkChild(makeNode(server.url, { startTimeout: "20 seconds" }), {
        startImmediately: true
      })
      yield* Effect.sleep("300 millis")
      yield* server.run
      yield* (yield* Fiber.join(fiber)).append("room", "x")
    })
  )

  testWithRedis("leaves no key without a time to live", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const node = yield* makeNode(server.url)
      yield* node.follow("room")
      yield* node.append("room", "x")
      const script =
        "local n = {} for _, k in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', k) < 0 then n[#n+1] = k end end return table.concat(n, ' ')"
      assert.strictEqual(yield* server.command("EVAL", script, "0"), "$0\r\n\r\n")
    })
  )

  testWithRedis("tells who is in a topic across nodes", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.start()
      const presence = Effect.flatMap(makeNode(server.url), (log) =>
        Effect.map(
          Layer.build(Layer.provide(TopicPresence.layer(), Layer.succeed(TopicLog.TopicLog, log))),
          (context) => Context.get(context, TopicPresence.TopicPresence)
        )
      )
      const [one, two] = [yield* presence, yield* presence]
      yield* one.join("room", "ann")
      const members = Stream.scan(
        two.watch("room"),
        () => new Set<string>(),
        (before, event) => {
          if (event._tag === "Snapshot") return new Set(event.members)
          const after = new Set([...before, ...event.joined])
          for (const member of event.left) after.delete(member)
          return after
        }
      )
      const until = (expected: string) =>
        Stream.runHead(Stream.filter(members, (some) => [...some].sort().join(" ") === expected))
      yield* until("ann")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* two.join("room", "bob")
          yield* until("ann bob")
        })
      )
      yield* until("ann")
    })
  )
})
