import * as Memory from "@effect-ws/transport/Memory"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Client from "@effect-ws/client/Client"
import type { Connection } from "@effect-ws/connection/Connection"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Schedule, Stream } from "effect"
import type { Scope } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as TopicClient from "../src/TopicClient.ts"
import type { TopicItem } from "../src/TopicLog.ts"
import * as TopicLog from "../src/TopicLog.ts"
import * as TopicProtocol from "../src/TopicProtocol.ts"
import * as TopicServer from "../src/TopicServer.ts"
import { tell } from "./support/guarantees.ts"
import { serve, settle } from "./support/servers.ts"
import type { Network } from "./support/servers.ts"
import { serveSilent } from "./support/silent.ts"

const test = (name: string, program: Effect.Effect<void, unknown, Network | Dialer | Scope.Scope>): void => {
  it.effect(name, () => Effect.provide(program, Layer.provideMerge(Memory.layerDialer, Memory.layerNetwork())))
}

const schedule = Schedule.spaced("100 millis")

/** A client that asks one node after the other. */
const makeClient = Effect.fnUntraced(function* (
  ports: ReadonlyArray<number>,
  options?: Partial<TopicClient.TopicClientOptions>
) {
  let at = 0
  const url = Effect.sync(() => `ws://node:${ports[at++ % ports.length]}/`)
  return yield* TopicClient.make({ url, schedule, retryDelay: "50 millis", ...options })
})

/** Collects what a subscription gives, until the Scope closes. */
const collect = Effect.fnUntraced(function* <E>(items: Stream.Stream<TopicItem, E>) {
  const got: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(items, (item) => Effect.sync(() => got.push(tell(item)))),
    { startImmediately: true }
  )
  return got
})

/** Lets an effect run to its end while time passes. */
const finish = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
  for (let turn = 0; turn < 400 && fiber.pollUnsafe() === undefined; turn++) {
    yield* settle
    yield* TestClock.adjust("50 millis")
  }
  return yield* Fiber.join(fiber)
})

const numbers = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from + 1 }, (_, at) => String(from + at))

describe("TopicClient", () => {
  test(
    "publishes and subscribes, text and bytes, and reads history",
    Effect.gen(function* () {
      yield* serve({ port: 1, engine: MemoryEngine.make() })
      const client = yield* makeClient([1])
      const got = yield* collect(client.subscribe("room"))
      yield* settle
      const first = yield* finish(client.publish("room", "hello"))
      yield* finish(client.publish("room", Uint8Array.from([1, 2, 255])))
      yield* settle
      assert.deepStrictEqual(got, ["hello", "1,2,255"])
      const page = yield* finish(client.history("room", "oldest", { maxEntries: 1 }))
      assert.deepStrictEqual(page.items.map(tell), ["hello"])
      assert.deepStrictEqual(page.next, first.position)
      assert.isFalse(page.isLast)
    })
  )

  test(
    "G6: a node that is killed costs nothing: the client resumes at another one, and what was acknowledged arrives",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const one = yield* serve({ port: 1, engine })
      const two = yield* serve({ port: 2, engine })
      const client = yield* makeClient([1, 2])
      const other = yield* makeClient([2])
      const got = yield* collect(client.subscribe("room"))
      yield* settle
      for (const number of numbers(1, 20)) yield* finish(other.publish("room", number))
      yield* one.kill
      for (const number of numbers(21, 40)) yield* finish(other.publish("room", number))
      for (const number of numbers(41, 45)) yield* finish(client.publish("room", number))
      yield* settle
      assert.deepStrictEqual(got, numbers(1, 45))
      assert.strictEqual((yield* two.log.head("room")).offset, 45)
    })
  )

  test(
    "G6: the first entry of an empty topic is not lost to a reconnect",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const one = yield* serve({ port: 1, engine })
      const two = yield* serve({ port: 2, engine })
      const client = yield* makeClient([1, 2])
      const got = yield* collect(client.subscribe("room"))
      yield* settle
      yield* one.kill
      yield* two.log.append("room", "first")
      yield* TestClock.adjust("200 millis")
      yield* settle
      assert.deepStrictEqual(got, ["first"])
    })
  )

  test(
    "G1: a publish whose node dies between append and answer is in the log once",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const one = yield* serve({ port: 1, engine })
      const two = yield* serve({ port: 2, engine })
      const client = yield* makeClient([1, 2])
      yield* settle
      // The answer is not sent: the node is killed by then.
      const fiber = yield* Effect.forkChild(client.publish("room", "once"), { startImmediately: true })
      while ((yield* two.log.head("room")).offset === 0) yield* Effect.yieldNow
      yield* one.kill
      yield* finish(Fiber.join(fiber))
      assert.strictEqual((yield* two.log.head("room")).offset, 1)
    })
  )

  test(
    "G1: a publish whose outcome the node does not know is sent again under its id",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const { log } = yield* serve({ port: 1, engine })
      const client = yield* makeClient([1])
      yield* settle
      engine.loseNextAnswers(2)
      assert.isTrue((yield* finish(client.publish("room", "once"))).isDuplicate)
      assert.strictEqual((yield* log.head("room")).offset, 1)
    })
  )

  test(
    "G1: says OutcomeUnknown where it was sent and not answered, and LogUnavailable where it was not sent",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const one = yield* serve({ port: 1, engine })
      const client = yield* makeClient([1], { publishTimeout: "5 seconds" })
      yield* settle
      engine.loseNextAnswers(1000)
      const unknown = yield* Effect.flip(finish(client.publish("room", "x", { id: "mine" })))
      assert.strictEqual(unknown._tag === "OutcomeUnknown" && unknown.id, "mine")
      yield* one.kill
      yield* settle
      assert.strictEqual((yield* Effect.flip(finish(client.publish("room", "x"))))._tag, "LogUnavailable")
    })
  )

  test(
    "G1: stops sending again before the idempotence window ends",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      yield* serve({ port: 1, engine, log: { idWindow: "4 seconds" } })
      const client = yield* makeClient([1])
      yield* settle
      engine.loseNextAnswers(1000)
      const [elapsed, error] = yield* finish(Effect.timed(Effect.flip(client.publish("room", "x"))))
      assert.strictEqual(error._tag, "OutcomeUnknown")
      assert.isBelow(Duration.toMillis(elapsed), 4000)
    })
  )

  test(
    "G3: a gap reaches the program, typed",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const { log } = yield* serve({ port: 1, engine, log: { maxEntries: 3 } })
      const { position } = yield* log.append("room", "1")
      for (const number of numbers(2, 10)) yield* log.append("room", number)
      const client = yield* makeClient([1])
      const got = yield* collect(client.subscribe("room", { after: position }))
      yield* settle
      assert.deepStrictEqual(got, ["Trimmed 1-7 lost 6", "8", "9", "10"])
    })
  )

  test(
    "G4: a program that does not read holds up neither its other topics nor the server",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const { log } = yield* serve({ port: 1, engine })
      const client = yield* makeClient([1], { window: 4 })
      let released = false
      const slow: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(client.subscribe("slow"), (item) =>
          Effect.andThen(
            Effect.sync(() => slow.push(tell(item))),
            Effect.whileLoop({ while: () => !released, body: () => Effect.sleep("10 millis"), step: () => {} })
          )
        ),
        { startImmediately: true }
      )
      const quick = yield* collect(client.subscribe("quick"))
      yield* settle
      for (const number of numbers(1, 100)) {
        yield* log.append("slow", number)
        yield* log.append("quick", number)
      }
      for (let turn = 0; turn < 100 && quick.length < 100; turn++) yield* settle
      assert.deepStrictEqual(quick, numbers(1, 100))
      assert.deepStrictEqual(slow, ["1"])
      released = true
      for (let turn = 0; turn < 100 && slow.length < 100; turn++) {
        yield* TestClock.adjust("10 millis")
        yield* settle
      }
      assert.deepStrictEqual(slow, numbers(1, 100))
    })
  )

  test(
    "G5: subscriptions outlive an engine that is away, and publishes wait for it",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      yield* serve({ port: 1, engine })
      const client = yield* makeClient([1])
      const got = yield* collect(client.subscribe("room"))
      yield* settle
      engine.setAvailable(false)
      const late = yield* collect(client.subscribe("late"))
      const fiber = yield* Effect.forkChild(client.publish("room", "1"), { startImmediately: true })
      yield* settle
      yield* TestClock.adjust("3 seconds")
      engine.setAvailable(true)
      yield* finish(Fiber.join(fiber))
      yield* finish(client.publish("late", "2"))
      yield* settle
      assert.deepStrictEqual([got, late], [["1"], ["2"]])
    })
  )

  test(
    "a denied action is a typed answer, and the connection stays",
    Effect.gen(function* () {
      const { log, server } = yield* serve({
        port: 1,
        engine: MemoryEngine.make(),
        topics: {
          authorize: ({ _tag, topic }) =>
            topic === "open" ? Effect.void : Effect.fail(new TopicProtocol.Denied({ reason: `no ${_tag}` }))
        }
      })
      const client = yield* makeClient([1])
      yield* settle
      const errors = yield* Effect.forEach(
        [
          Stream.runDrain(client.subscribe("closed")),
          client.publish("closed", "x"),
          client.history("closed", "oldest")
        ] as ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>,
        (effect) => finish(Effect.flip(effect))
      )
      assert.deepStrictEqual(
        errors.map((error) => [error._tag, (error as TopicProtocol.Denied).reason]),
        [
          ["Denied", "no Subscribe"],
          ["Denied", "no Publish"],
          ["Denied", "no History"]
        ]
      )
      assert.strictEqual((yield* log.head("closed")).offset, 0)
      yield* finish(client.publish("open", "x"))
      assert.lengthOf(yield* server.connections, 1)
    })
  )

  test(
    "topics of the library itself are denied, whatever the program allows",
    Effect.gen(function* () {
      yield* serve({ port: 1, engine: MemoryEngine.make() })
      const client = yield* makeClient([1])
      yield* settle
      assert.strictEqual((yield* finish(Effect.flip(client.publish("~presence:room", "x"))))._tag, "Denied")
    })
  )

  test(
    "a decision with an end is asked for again, and ends the subscription where it is denied",
    Effect.gen(function* () {
      let isAllowed = true
      let asked = 0
      const { log } = yield* serve({
        port: 1,
        engine: MemoryEngine.make(),
        topics: {
          authorize: () =>
            Effect.suspend(() => {
              asked++
              return isAllowed
                ? Effect.succeed("10 seconds" as const)
                : Effect.fail(new TopicProtocol.Denied({ reason: "banned" }))
            })
        }
      })
      const client = yield* makeClient([1])
      const got: Array<string> = []
      const fiber = yield* Effect.forkChild(
        Effect.flip(Stream.runForEach(client.subscribe("room"), (item) => Effect.sync(() => got.push(tell(item))))),
        { startImmediately: true }
      )
      yield* settle
      yield* TestClock.adjust("11 seconds")
      yield* log.append("room", "1")
      yield* settle
      assert.strictEqual(asked, 2)
      isAllowed = false
      yield* TestClock.adjust("10 seconds")
      yield* settle
      yield* log.append("room", "2")
      const error = yield* finish(Fiber.join(fiber))
      assert.strictEqual(error._tag === "SubscriptionEnded" && error.reason, "banned")
      assert.deepStrictEqual(got, ["1"])
    })
  )

  test(
    "bounds the subscriptions of a connection, and has one to a topic at a time",
    Effect.gen(function* () {
      yield* serve({ port: 1, engine: MemoryEngine.make(), topics: { maxSubscriptions: 2 } })
      const client = yield* makeClient([1])
      yield* collect(client.subscribe("a"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* collect(client.subscribe("b"))
          yield* settle
          const twice = yield* finish(Effect.flip(Stream.runDrain(client.subscribe("b"))))
          assert.strictEqual(twice._tag === "RequestFailed" && twice.code, "AlreadySubscribed")
          const third = yield* finish(Effect.flip(Stream.runDrain(client.subscribe("c"))))
          assert.strictEqual(third._tag === "RequestFailed" && third.code, "LimitExceeded")
        })
      )
      // The place of the one that ended is free.
      const got = yield* collect(client.subscribe("c"))
      yield* settle
      yield* finish(client.publish("c", "x"))
      yield* settle
      assert.deepStrictEqual(got, ["x"])
    })
  )

  test(
    "drops a connection whose server is silent, and resumes on another",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const network = yield* Memory.MemoryNetwork
      // It completes the handshake and says Welcome, and nothing after that.
      yield* serveSilent(network, 1)
      const two = yield* serve({ port: 2, engine })
      const client = yield* makeClient([1, 2])
      const got = yield* collect(client.subscribe("room", { after: "oldest" }))
      yield* settle
      yield* two.log.append("room", "x")
      for (let turn = 0; turn < 40; turn++) {
        yield* TestClock.adjust("1 second")
        yield* settle
      }
      assert.deepStrictEqual(got, ["x"])
    })
  )

  test(
    "fails what waits when it is closed",
    Effect.gen(function* () {
      yield* serve({ port: 1, engine: MemoryEngine.make() })
      const client = yield* makeClient([1])
      const fiber = yield* Effect.forkChild(Effect.flip(Stream.runDrain(client.subscribe("room"))), {
        startImmediately: true
      })
      yield* settle
      yield* finish(client.close)
      assert.strictEqual((yield* finish(Fiber.join(fiber)))._tag, "ClientClosed")
      assert.strictEqual((yield* finish(Effect.flip(client.publish("room", "x"))))._tag, "ClientClosed")
    })
  )
})

describe("TopicServer", () => {
  test(
    "disconnects a user on all nodes, and no other",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const topics = { publisher: (connection: Connection) => connection.request.query }
      const one = yield* serve({ port: 1, engine, topics })
      yield* serve({ port: 2, engine, topics })
      const connect = (url: string) => Client.connect(url, { subprotocols: [TopicProtocol.subprotocol] })
      const [ann, bob] = [yield* connect("ws://node:2/?ann"), yield* connect("ws://node:2/?bob")]
      yield* settle
      yield* Effect.provideService(TopicServer.disconnect("ann", "banned"), TopicLog.TopicLog, one.log)
      const end = yield* finish(Effect.flip(ann.receive))
      assert.deepStrictEqual([end._tag, end.reason], ["PolicyViolation", "banned"])
      yield* bob.send(`{"_tag":"Ping"}`)
      assert.strictEqual((yield* bob.receive).data, `{"_tag":"Pong"}`)
    })
  )

  test(
    "asks again for the subscriptions of a user when a right was revoked, on all nodes",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      let isAllowed = true
      const topics = {
        authorize: () => (isAllowed ? Effect.void : Effect.fail(new TopicProtocol.Denied({ reason: "revoked" })))
      }
      const one = yield* serve({ port: 1, engine, topics })
      yield* serve({ port: 2, engine, topics })
      const client = yield* makeClient([2])
      const fiber = yield* Effect.forkChild(Effect.flip(Stream.runDrain(client.subscribe("room"))), {
        startImmediately: true
      })
      yield* settle
      isAllowed = false
      yield* Effect.provideService(TopicServer.reauthorize(""), TopicLog.TopicLog, one.log)
      const error = yield* finish(Fiber.join(fiber))
      assert.strictEqual(error._tag === "SubscriptionEnded" && error.reason, "revoked")
    })
  )

  test(
    "drains at a pace, and its clients wait as they are asked to and lose nothing",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const one = yield* serve({ port: 1, engine })
      const two = yield* serve({ port: 2, engine })
      const clients = yield* Effect.forEach(Array.from({ length: 50 }), () => makeClient([1, 2]))
      const got = yield* Effect.forEach(clients, (client) => collect(client.subscribe("room")))
      yield* settle
      const count = Effect.map(one.server.connections, ({ length }) => length)
      assert.strictEqual(yield* count, 50)
      const drain = one.server.drain({ over: "10 seconds", retryDelay: "4 seconds" })
      const fiber = yield* Effect.forkChild(drain, { startImmediately: true })
      for (let second = 1; second <= 5; second++) {
        yield* two.log.append("room", String(second))
        for (let turn = 0; turn < 10; turn++) {
          yield* settle
          yield* TestClock.adjust("100 millis")
        }
      }
      // Half of the time, half of the connections; and those that are gone do not come back all at once.
      assert.approximately(yield* count, 25, 2)
      assert.isBelow((yield* two.server.connections).length, 25)
      for (let turn = 0; turn < 120; turn++) {
        yield* settle
        yield* TestClock.adjust("100 millis")
      }
      yield* finish(Fiber.join(fiber))
      assert.lengthOf(yield* two.server.connections, 50)
      yield* two.log.append("room", "6")
      yield* settle
      for (const items of got) assert.deepStrictEqual(items, numbers(1, 6))
    })
  )

  test(
    "answers nonsense and goes on",
    Effect.gen(function* () {
      yield* serve({ port: 1, engine: MemoryEngine.make() })
      const connection = yield* Client.connect("ws://node:1/", { subprotocols: [TopicProtocol.subprotocol] })
      const answers: Array<string> = []
      for (const message of ["nonsense", `{"_tag":"Publish","ref":7}`, new Uint8Array(3), `{"_tag":"Ping"}`]) {
        yield* connection.send(message)
        answers.push(String((yield* connection.receive).data))
      }
      assert.deepStrictEqual(
        answers
          .map((text) => JSON.parse(text) as { readonly _tag: string; readonly ref?: number })
          .map(({ _tag, ref }) => [_tag, ref]),
        [
          ["Failed", undefined],
          ["Failed", 7],
          ["Failed", undefined],
          ["Pong", undefined]
        ]
      )
    })
  )

  test(
    "closes a connection without the subprotocol with 1002",
    Effect.gen(function* () {
      yield* serve({ port: 1, engine: MemoryEngine.make() })
      const connection = yield* Client.connect("ws://node:1/")
      assert.strictEqual((yield* Effect.flip(connection.receive))._tag, "ProtocolError")
    })
  )
})
