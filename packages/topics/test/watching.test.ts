/** Who is subscribed to a topic, as clients of the subprotocol are told. */
import * as Memory from "@effect-ws/transport/Memory"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type { Connection } from "@effect-ws/connection/Connection"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Option, Schedule, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as TopicClient from "../src/TopicClient.ts"
import * as TopicProtocol from "../src/TopicProtocol.ts"
import type { Action } from "../src/TopicServer.ts"
import { serve, settle } from "./support/servers.ts"
import type { Network } from "./support/servers.ts"

const test = (name: string, program: Effect.Effect<void, unknown, Network | Dialer | Scope.Scope>): void => {
  it.effect(name, () => Effect.provide(program, Layer.provideMerge(Memory.layerDialer, Memory.layerNetwork())))
}

const topics = { member: (connection: Connection) => connection.request.query || undefined }

/** A client whose name is in its query; nobody, without one. */
const makeClient = (name: string, ...ports: ReadonlyArray<number>) => {
  let at = 0
  return TopicClient.make({
    url: Effect.sync(() => `ws://node:${ports[at++ % ports.length]}/${name === "" ? "" : `?${name}`}`),
    schedule: Schedule.spaced("100 millis")
  })
}

/** What a client believes. */
const watch = Effect.fnUntraced(function* (client: TopicClient.TopicClient, topic: string) {
  const seen = { members: new Set<string>(), snapshots: 0, events: 0, error: "" }
  yield* Stream.runForEach(client.presence(topic), (event) =>
    Effect.sync(() => {
      seen.events++
      if (event._tag === "Snapshot") {
        seen.snapshots++
        seen.members = new Set(event.members)
      } else {
        for (const member of event.left) assert.isTrue(seen.members.delete(member))
        for (const member of event.joined) seen.members.add(member)
      }
    })
  ).pipe(
    Effect.catch((error) => Effect.sync(() => void (seen.error = error.message))),
    Effect.forkScoped({ startImmediately: true })
  )
  return seen
})

const subscribe = (client: TopicClient.TopicClient, topic: string) =>
  Effect.forkScoped(Stream.runDrain(client.subscribe(topic)), { startImmediately: true })

const pass = Effect.fnUntraced(function* (seconds: number) {
  for (let turn = 0; turn < seconds * 4; turn++) {
    yield* settle
    yield* TestClock.adjust("250 millis")
  }
  yield* settle
})

const names = ({ members }: { readonly members: ReadonlySet<string> }): ReadonlyArray<string> => [...members].sort()

describe("a client that watches a topic", () => {
  test(
    "is told who is subscribed on all nodes, and who comes and goes",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const options = { engine, topics, presence: {} }
      yield* serve({ port: 1, ...options })
      yield* serve({ port: 2, ...options })
      yield* subscribe(yield* makeClient("ann", 1), "room")
      // Nobody, without a name; and elsewhere.
      yield* subscribe(yield* makeClient("", 1), "room")
      yield* subscribe(yield* makeClient("eve", 1), "hall")
      yield* pass(1)
      const seen = yield* watch(yield* makeClient("", 2), "room")
      yield* pass(2)
      assert.deepStrictEqual(names(seen), ["ann"])
      const bob = yield* makeClient("bob", 2)
      const subscription = yield* subscribe(bob, "room")
      yield* pass(1)
      assert.deepStrictEqual(names(seen), ["ann", "bob"])
      yield* Fiber.interrupt(subscription)
      yield* pass(1)
      assert.deepStrictEqual(names(seen), ["ann"])
      assert.deepStrictEqual([seen.snapshots, seen.error], [1, ""])
    })
  )

  test(
    "begins anew at another node, after its own was lost",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const options = { engine, topics, presence: {} }
      const one = yield* serve({ port: 1, ...options })
      yield* serve({ port: 2, ...options })
      yield* subscribe(yield* makeClient("ann", 2), "room")
      const seen = yield* watch(yield* makeClient("", 1, 2), "room")
      yield* pass(2)
      yield* one.kill
      yield* pass(1)
      yield* subscribe(yield* makeClient("bob", 2), "room")
      yield* pass(2)
      assert.deepStrictEqual([names(seen), seen.snapshots], [["ann", "bob"], 2])
    })
  )

  test(
    "gets 3000 members in parts, and loses them when their node dies",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const options = { engine, topics, presence: { lease: "6 seconds" } } as const
      yield* serve({ port: 2, ...options })
      const one = yield* serve({ port: 1, ...options })
      yield* subscribe(yield* makeClient("here", 2), "room")
      const scope = yield* Scope.make()
      const presence = Option.getOrThrow(one.presence)
      for (let at = 0; at < 3000; at++) {
        yield* Scope.provide(presence.join("room", `member number ${at}`), scope)
      }
      yield* pass(2)
      const client = yield* makeClient("", 2)
      const seen = yield* watch(client, "room")
      yield* pass(2)
      assert.strictEqual(seen.members.size, 3001)
      assert.strictEqual(seen.snapshots, 1)
      // It dies: what it would say is not heard.
      engine.setAvailable(false)
      yield* Scope.close(scope, Exit.void)
      yield* one.kill
      yield* pass(2)
      engine.setAvailable(true)
      yield* pass(30)
      assert.deepStrictEqual(names(seen), ["here"])
      assert.isBelow(seen.events, 10)
    })
  )

  test(
    "is denied what it may not watch, also when the right ends, and told where there is nothing to watch",
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      let isAllowed = true
      const authorize = ({ _tag, topic }: Action) =>
        _tag !== "Watch" || (topic === "room" && isAllowed)
          ? Effect.succeed(Duration.seconds(10))
          : Effect.fail(new TopicProtocol.Denied({ reason: "not yours" }))
      yield* serve({ port: 1, engine, topics: { ...topics, authorize }, presence: {} })
      yield* serve({ port: 2, engine })
      const client = yield* makeClient("", 1)
      const [room, secret] = [yield* watch(client, "room"), yield* watch(client, "secret")]
      yield* pass(2)
      assert.deepStrictEqual([room.error, secret.error], ["", "denied: not yours"])
      isAllowed = false
      yield* pass(10)
      assert.strictEqual(room.error, `the server ended the subscription to "room": not yours`)
      const other = yield* watch(yield* makeClient("", 2), "room")
      yield* pass(1)
      assert.match(other.error, /^the server answered Unsupported/)
    })
  )
})
