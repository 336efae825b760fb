/** Topics over a log in Redis, on two nodes that share the server; `Topics.test.ts` has those over a log in memory. */
import * as Client from "@effect-ws/client/Client"
import type { Connection } from "@effect-ws/connection/Connection"
import type { Handlers } from "@effect-ws/server/Handlers"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Queue } from "effect"
import type { Scope } from "effect"
import { SocketServer } from "effect/socket"
import * as Position from "../src/Position.ts"
import * as TopicLog from "../src/TopicLog.ts"
import type { RedisOptions } from "../src/TopicLog.ts"
import * as Topics from "../src/Topics.ts"
import { makeNode, RedisServer, testWithRedis } from "./support/redis.ts"

type Make = (handlers: Handlers) => ReturnType<typeof WebSocketServer.make<never, never>>

const variants: ReadonlyArray<{ readonly name: string; readonly make: Make }> = [
  { name: "fiber", make: (handlers) => WebSocketServer.make(handlers, { drainTimeout: 0 }) },
  { name: "queue", make: (handlers) => WebSocketServer.makeQueue(handlers, { drainTimeout: 0 }) }
]

interface NodeOptions extends Topics.LoggedTopicsOptions {
  readonly log?: Partial<RedisOptions>
}

let lastPort = 0

/** Starts a node over a Redis, and gives what connects to it: the client's end and the server's. */
const startNode = Effect.fnUntraced(function* (
  redis: RedisServer,
  { log, ...options }: NodeOptions = {},
  make: Make = variants[0]!.make
) {
  const port = ++lastPort
  const network = yield* Memory.MemoryNetwork
  const sockets = yield* network.listen({ port })
  const opened = yield* Queue.unbounded<Connection>()
  yield* make({ onOpen: (connection) => Queue.offer(opened, connection) }).pipe(
    Effect.provideService(SocketServer.SocketServer, Context.get(sockets, SocketServer.SocketServer))
  )
  const inRedis = Layer.succeed(TopicLog.TopicLog, yield* makeNode(redis.url, log))
  const topics = Context.get(yield* Layer.build(Layer.provide(Topics.layerLog(options), inRedis)), Topics.Topics)
  const connect = Effect.gen(function* () {
    const client = yield* Client.connect(`ws://node:${port}/`)
    return { client, here: yield* Queue.take(opened) }
  })
  return { topics, connect }
})

const take = (client: Connection, count: number) =>
  Effect.map(Effect.replicateEffect(client.receive, count), (messages) => messages.map(({ data }) => data))

const test = (
  name: string,
  program: Effect.Effect<void, unknown, Memory.MemoryNetwork | Dialer | Scope.Scope>
): void => {
  testWithRedis(name, () => Effect.provide(program, Layer.provideMerge(Memory.layerDialer, Memory.layerNetwork())))
}

/** Publishes until the log takes it; the id keeps it from being doubled. */
const publishAtLast = (topics: Topics.Topics["Service"], data: string) =>
  Effect.gen(function* () {
    let exit = yield* Effect.exit(topics.publish("room", data, { id: data }))
    while (Exit.isFailure(exit)) {
      yield* Effect.sleep("50 millis")
      exit = yield* Effect.exit(topics.publish("room", data, { id: data }))
    }
  })

describe.each(variants)("Topics over Redis, $name server", ({ make }) => {
  test(
    "sends what any node publishes to the subscribers of all nodes, in one order, except to the sender",
    Effect.gen(function* () {
      const redis = yield* RedisServer.start()
      const [one, two] = [yield* startNode(redis, {}, make), yield* startNode(redis, {}, make)]
      const [ann, bob] = [yield* one.connect, yield* two.connect]
      yield* one.topics.subscribe(ann.here, "room")
      yield* two.topics.subscribe(bob.here, "room")
      yield* one.topics.publish("room", "1", { except: ann.here })
      const second = yield* two.topics.publish("room", Uint8Array.of(2))
      assert.strictEqual(second.position?.offset, 2)
      assert.deepStrictEqual(yield* take(bob.client, 2), ["1", Uint8Array.of(2)])
      assert.deepStrictEqual(yield* take(ann.client, 1), [Uint8Array.of(2)])
      // What one node appended, another node knows by its id.
      const third = yield* two.topics.publish("room", "3", { id: "x" })
      assert.deepStrictEqual((yield* one.topics.publish("room", "3", { id: "x" })).position, third.position)
      yield* Effect.forEach(
        Array.from({ length: 100 }, (_, at) => at),
        (at) => (at % 2 === 0 ? one : two).topics.publish("room", String(at)),
        { concurrency: 10, discard: true }
      )
      const [toAnn, toBob] = [yield* take(ann.client, 101), yield* take(bob.client, 101)]
      assert.deepStrictEqual(toAnn, toBob)
      assert.deepStrictEqual([...toAnn].sort(), ["3", ...Array.from({ length: 100 }, (_, at) => String(at))].sort())
    })
  )

  test(
    "begins after a position that another node gave, and tells a client what Redis did not keep",
    Effect.gen(function* () {
      const redis = yield* RedisServer.start()
      const options: NodeOptions = {
        log: { maxEntries: 3 },
        encode: ({ data, position }) => `${Position.format(position).split("-")[1]} ${String(data)}`,
        encodeGap: (topic, { lost, reason }) => `${topic}: ${reason} ${lost}`
      }
      const [one, two] = [yield* startNode(redis, options, make), yield* startNode(redis, options, make)]
      const before = (yield* one.topics.publish("room", "a")).position!
      for (const data of "bcdef") yield* one.topics.publish("room", data)
      const { client, here } = yield* two.connect
      const subscription = yield* two.topics.subscribe(here, "room", { after: before })
      assert.deepStrictEqual(yield* take(client, 4), ["room: Trimmed 2", "4 d", "5 e", "6 f"])
      yield* one.topics.publish("room", "g")
      assert.deepStrictEqual(yield* take(client, 1), ["7 g"])
      assert.strictEqual(subscription.dropped, 2)
    })
  )

  test(
    "fails to publish while Redis is away, keeps subscriptions, and loses and doubles nothing when it is back",
    Effect.gen(function* () {
      const redis = yield* RedisServer.start("--appendonly", "yes", "--appendfsync", "always")
      const [one, two] = [yield* startNode(redis, {}, make), yield* startNode(redis, {}, make)]
      const { client, here } = yield* two.connect
      const subscription = yield* two.topics.subscribe(here, "room")
      yield* one.topics.publish("room", "1")
      yield* redis.kill
      const failed = yield* Effect.flip(one.topics.publish("room", "2", { id: "2" }))
      assert.include(["LogUnavailable", "OutcomeUnknown"], failed._tag)
      yield* redis.run
      for (const data of ["2", "3"]) yield* publishAtLast(one.topics, data)
      assert.deepStrictEqual(yield* take(client, 3), ["1", "2", "3"])
      assert.deepStrictEqual([subscription.isActive, subscription.dropped], [true, 0])
    })
  )
})
