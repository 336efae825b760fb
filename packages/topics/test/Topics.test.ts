/** Topics over a log, on two nodes; `packages/server/test/Topics.test.ts` has those without one. */
import * as Client from "@effect-ws/client/Client"
import type { Connection } from "@effect-ws/connection/Connection"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import type { Handlers } from "@effect-ws/server/Handlers"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Queue, Schema } from "effect"
import type { Scope } from "effect"
import { SocketServer } from "effect/socket"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as Position from "../src/Position.ts"
import * as TopicLog from "../src/TopicLog.ts"
import * as Topics from "../src/Topics.ts"
import { settle } from "./support/servers.ts"

type Server = WebSocketServer.WebSocketServer["Service"]

const variants = [
  { name: "fiber", make: (handlers: Handlers) => WebSocketServer.make(handlers, { drainTimeout: 0 }) },
  { name: "queue", make: (handlers: Handlers) => WebSocketServer.makeQueue(handlers, { drainTimeout: 0 }) }
]

interface NodeOptions extends Topics.LoggedTopicsOptions {
  readonly log?: TopicLog.TopicLogOptions
}

describe.each(variants)("Topics over a log, $name server", ({ make }) => {
  let lastPort = 0

  /** Starts a node, and gives what connects to it: the client's end and the server's. */
  const startNode = Effect.fnUntraced(function* (
    engine: MemoryEngine.MemoryEngine,
    { log, ...options }: NodeOptions = {}
  ) {
    const port = ++lastPort
    const network = yield* Memory.MemoryNetwork
    const sockets = yield* network.listen({ port })
    const opened = yield* Queue.unbounded<Connection>()
    const server: Server = yield* make({ onOpen: (connection) => Queue.offer(opened, connection) }).pipe(
      Effect.provideService(SocketServer.SocketServer, Context.get(sockets, SocketServer.SocketServer))
    )
    const layer = Topics.layerLog(options).pipe(Layer.provide(TopicLog.layerMemory({ ...log, engine })))
    const topics = Context.get(yield* Layer.build(layer), Topics.Topics)
    const connect = Effect.gen(function* () {
      const client = yield* Client.connect(`ws://node:${port}/`)
      return { client, here: yield* Queue.take(opened) }
    })
    return { topics, connect, server }
  })

  const test = (
    name: string,
    program: Effect.Effect<void, unknown, Memory.MemoryNetwork | Dialer | Scope.Scope>
  ): void => {
    it.effect(name, () => Effect.provide(program, Layer.provideMerge(Memory.layerDialer, Memory.layerNetwork())))
  }

  const Numbers = TypedConnection.protocol({ fromClient: Schema.Never, fromServer: Schema.Struct({ n: Schema.Int }) })

  test(
    "publishes values to subscribers on all nodes, and nothing that the Schema refuses",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const [one, two] = [yield* startNode(engine), yield* startNode(engine)]
      const { client, here } = yield* two.connect
      yield* two.topics.subscribe(here, "numbers")
      const refused = yield* Effect.flip(one.topics.publish("numbers", { n: 0.5 }, { as: Numbers.server }))
      assert.strictEqual(refused._tag, "SchemaError")
      yield* one.topics.publish("numbers", { n: 1 }, { as: Numbers.server })
      yield* settle
      const typed = yield* TypedConnection.make(client, Numbers.client)
      assert.deepStrictEqual(yield* typed.receive, { n: 1 })
    })
  )

  const take = (client: Connection, count: number) =>
    Effect.map(Effect.replicateEffect(client.receive, count), (messages) => messages.map(({ data }) => data))

  test(
    "sends what any node publishes to the subscribers of all nodes, in one order, except to the sender",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const [one, two] = [yield* startNode(engine), yield* startNode(engine)]
      const [ann, bob] = [yield* one.connect, yield* two.connect]
      const subscription = yield* one.topics.subscribe(ann.here, "room")
      yield* two.topics.subscribe(bob.here, "room")
      const first = yield* one.topics.publish("room", "1", { except: ann.here })
      assert.deepStrictEqual([first.subscribers, first.queued, first.position?.offset], [0, 0, 1])
      const second = yield* two.topics.publish("room", Uint8Array.of(2))
      assert.deepStrictEqual([second.subscribers, second.queued, second.position?.offset], [1, 1, 2])
      assert.deepStrictEqual(yield* take(bob.client, 2), ["1", Uint8Array.of(2)])
      assert.deepStrictEqual(yield* take(ann.client, 1), [Uint8Array.of(2)])
      assert.deepStrictEqual([subscription.isActive, subscription.queued, subscription.dropped], [true, 0, 0])
      assert.deepStrictEqual([yield* one.topics.names, yield* one.topics.subscribers("room")], [["room"], 1])
      // The id makes a retry safe.
      const again = yield* two.topics.publish("room", "3", { id: "x" })
      assert.deepStrictEqual((yield* one.topics.publish("room", "3", { id: "x" })).position, again.position)
      assert.deepStrictEqual(yield* take(ann.client, 1), ["3"])
    })
  )

  test(
    "begins after a position, and tells a client what the log did not keep as the program says",
    Effect.gen(function* () {
      const node = yield* startNode(MemoryEngine.make(), {
        log: { maxEntries: 3 },
        encode: ({ data, position }) => `${Position.format(position).split("-")[1]} ${String(data)}`,
        encodeGap: (topic, { lost, reason }) => `${topic}: ${reason} ${lost}`
      })
      const before = (yield* node.topics.publish("room", "a")).position!
      for (const data of "bcdef") yield* node.topics.publish("room", data)
      const { client, here } = yield* node.connect
      const subscription = yield* node.topics.subscribe(here, "room", { after: before })
      yield* settle
      yield* node.topics.publish("room", "g")
      assert.deepStrictEqual(yield* take(client, 5), ["room: Trimmed 2", "4 d", "5 e", "6 f", "7 g"])
      assert.strictEqual(subscription.dropped, 2)
      assert.strictEqual(yield* node.topics.dropped, 2)
    })
  )

  test(
    "holds one page for a subscriber that does not read, which later gets what the log has",
    Effect.gen(function* () {
      const node = yield* startNode(MemoryEngine.make(), {
        log: { maxEntries: 50, pageEntries: 4, recentEntries: 4 },
        encodeGap: (_, { lost }) => `lost ${lost}`
      })
      const { client, here } = yield* node.connect
      const subscription = yield* node.topics.subscribe(here, "room")
      const text = "x".repeat(20_000)
      for (let number = 1; number <= 200; number++) {
        yield* node.topics.publish("room", `${number} ${text}`)
        if (number % 10 === 0) yield* settle
        assert.isAtMost(subscription.queued, 4)
      }
      const got: Array<number> = []
      let lost = 0
      while (got.at(-1) !== 200) {
        const data = String((yield* client.receive).data)
        if (data.startsWith("lost")) lost += Number(data.slice(5))
        else got.push(Number(data.split(" ")[0]))
      }
      assert.isAbove(lost, 50)
      assert.strictEqual(got.length + lost, 200)
      assert.deepStrictEqual(
        got,
        [...got].sort((a, b) => a - b)
      )
      assert.strictEqual(subscription.dropped, lost)
    })
  )

  test(
    "unsubscribes a connection that closes, and bounds the subscriptions of one",
    Effect.gen(function* () {
      const node = yield* startNode(MemoryEngine.make(), { maxSubscriptions: 2, log: { maxFollowedTopics: 2 } })
      const { client, here } = yield* node.connect
      yield* node.topics.subscribe(here, "a")
      yield* node.topics.subscribe(here, "b")
      const error = yield* Effect.flip(node.topics.subscribe(here, "c"))
      assert.strictEqual(error._tag, "TooManySubscriptions")
      assert.isTrue(yield* node.topics.unsubscribe(here, "a"))
      assert.isFalse(yield* node.topics.unsubscribe(here, "a"))
      assert.deepStrictEqual(
        (yield* node.topics.subscriptions(here)).map(({ topic }) => topic),
        ["b"]
      )
      yield* client.close()
      yield* settle
      assert.deepStrictEqual([yield* node.topics.names, yield* node.topics.subscriptions(here)], [[], []])
      const late = yield* node.topics.subscribe(here, "b")
      assert.isFalse(late.isActive)
      // Nothing is followed any more.
      const other = yield* node.connect
      yield* node.topics.subscribe(other.here, "c")
      yield* node.topics.subscribe(other.here, "d")
    })
  )

  test(
    "fails to publish while the log is away, keeps subscriptions, and goes on with them",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const node = yield* startNode(engine)
      const { client, here } = yield* node.connect
      yield* node.topics.subscribe(here, "room")
      engine.setAvailable(false)
      assert.strictEqual((yield* Effect.flip(node.topics.publish("room", "1")))._tag, "LogUnavailable")
      engine.setAvailable(true)
      yield* node.topics.publish("room", "2")
      assert.deepStrictEqual(yield* take(client, 1), ["2"])
      engine.setAvailable(false)
      const other = yield* node.connect
      const subscribing = yield* Effect.exit(node.topics.subscribe(other.here, "hall"))
      assert.isTrue(Exit.isFailure(subscribing))
      assert.deepStrictEqual(yield* node.topics.subscriptions(other.here), [])
    })
  )

  test(
    "leaves nothing behind where subscribing is interrupted",
    Effect.gen(function* () {
      const node = yield* startNode(MemoryEngine.make(), { log: { maxFollowedTopics: 1 } })
      const { here } = yield* node.connect
      for (const topic of ["a", "b", "c"]) {
        const fiber = yield* Effect.forkChild(node.topics.subscribe(here, topic))
        yield* Fiber.interrupt(fiber)
        yield* node.topics.unsubscribe(here, topic)
      }
      yield* settle
      yield* node.topics.subscribe(here, "d")
      assert.deepStrictEqual(yield* node.topics.names, ["d"])
    })
  )
})

describe("Topics", () => {
  it.effect("is not made of impossible options, and publishes nothing but messages", () =>
    Effect.gen(function* () {
      const defectOf = (exit: Exit.Exit<unknown, unknown>): string =>
        Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "no failure"
      for (const options of [
        { batchSize: 0 },
        { maxSubscriptions: -1 },
        { maxQueuedMessages: -1 },
        { backpressureTimeout: -1 }
      ]) {
        assert.include(defectOf(yield* Effect.exit(Layer.build(Topics.layer(options)))), Object.keys(options)[0]!)
      }
      const topics = yield* Topics.make()
      assert.include(defectOf(yield* Effect.exit(topics.publish("news", 5 as never))), "message: expected")
    })
  )

  it.effect("refuses a position without a log", () =>
    Effect.gen(function* () {
      const topics = yield* Topics.make()
      const exit = yield* Effect.exit(topics.subscribe({} as Connection, "room", { after: "oldest" }))
      assert.match(String(exit), /after needs topics with a log/)
    })
  )
})
