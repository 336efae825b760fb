import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { PresenceState } from "../src/internal/PresenceState.ts"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as TopicLog from "../src/TopicLog.ts"
import * as TopicPresence from "../src/TopicPresence.ts"
import { settle } from "./support/servers.ts"

/** A node that can die without a word: what it would append is not. */
const startNode = Effect.fnUntraced(function* (
  engine: MemoryEngine.MemoryEngine,
  options?: TopicPresence.PresenceOptions
) {
  const log = Context.get(yield* Layer.build(TopicLog.layerMemory({ engine })), TopicLog.TopicLog)
  let isDead = false
  const mortal = Layer.succeed(TopicLog.TopicLog, {
    ...log,
    append: (...args) => Effect.suspend(() => (isDead ? Effect.never : log.append(...args)))
  })
  const context = yield* Layer.build(Layer.provide(TopicPresence.layer(options), mortal))
  return {
    presence: Context.get(context, TopicPresence.TopicPresence),
    kill: () => {
      isDead = true
    }
  }
})

/** What a watcher believes: the members, and how often it was told. */
const watch = Effect.fnUntraced(function* (presence: TopicPresence.TopicPresence["Service"], topic: string) {
  const seen = { members: new Set<string>(), events: 0, snapshots: 0 }
  yield* Effect.forkScoped(
    Stream.runForEach(presence.watch(topic), (event) =>
      Effect.sync(() => {
        seen.events++
        if (event._tag === "Snapshot") {
          seen.snapshots++
          seen.members = new Set(event.members)
          return
        }
        for (const member of event.left) assert.isTrue(seen.members.delete(member), `${member} left twice`)
        for (const member of event.joined) {
          assert.isFalse(seen.members.has(member), `${member} joined twice`)
          seen.members.add(member)
        }
      })
    ),
    { startImmediately: true }
  )
  return seen
})

const pass = Effect.fnUntraced(function* (seconds: number) {
  for (let turn = 0; turn < seconds * 4; turn++) {
    yield* settle
    yield* TestClock.adjust("250 millis")
  }
  yield* settle
})

/** Joins, and gives what ends that. */
const join = Effect.fnUntraced(function* (
  presence: TopicPresence.TopicPresence["Service"],
  topic: string,
  member: string
) {
  const scope = yield* Scope.make()
  yield* Scope.provide(presence.join(topic, member), scope)
  return Scope.close(scope, Exit.void)
})

const names = (seen: { readonly members: ReadonlySet<string> }): ReadonlyArray<string> => [...seen.members].sort()

describe("TopicPresence", () => {
  it.effect("goes on after what is no message of presence", () =>
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const node = yield* startNode(engine)
      const seen = yield* watch(node.presence, "room")
      yield* pass(1)
      const log = Context.get(yield* Layer.build(TopicLog.layerMemory({ engine })), TopicLog.TopicLog)
      for (const data of ["{", "null", '{"_tag":"Delta","node":"other"}', '{"_tag":"Later","node":"other"}']) {
        yield* log.append("~presence:room", data)
      }
      yield* join(node.presence, "room", "ann")
      yield* pass(1)
      assert.deepStrictEqual(names(seen), ["ann"])
    })
  )

  it.effect("tells who is there, on all nodes, and a member leaves with the last of its connections", () =>
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const [one, two] = [yield* startNode(engine), yield* startNode(engine)]
      const annOnOne = yield* join(one.presence, "room", "ann")
      yield* join(one.presence, "other", "eve")
      yield* pass(1)
      const seen = yield* watch(two.presence, "room")
      yield* pass(1)
      assert.deepStrictEqual(names(seen), ["ann"])
      assert.strictEqual(seen.snapshots, 1)
      const annAgain = yield* join(one.presence, "room", "ann")
      const annOnTwo = yield* join(two.presence, "room", "ann")
      yield* join(two.presence, "room", "bob")
      yield* pass(1)
      assert.deepStrictEqual(names(seen), ["ann", "bob"])
      yield* annOnOne
      yield* annOnTwo
      yield* pass(1)
      assert.deepStrictEqual(names(seen), ["ann", "bob"])
      yield* annAgain
      yield* pass(1)
      assert.deepStrictEqual(names(seen), ["bob"])
    })
  )

  it.effect("when a node with 3000 members dies, they leave at once, and those who are elsewhere too stay", () =>
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const options = { lease: "6 seconds" } as const
      const [one, two] = [yield* startNode(engine, options), yield* startNode(engine, options)]
      const seen = yield* watch(two.presence, "room")
      for (let at = 0; at < 3000; at++) yield* join(one.presence, "room", `member ${at}`)
      yield* join(two.presence, "room", "member 7")
      yield* pass(1)
      assert.strictEqual(seen.members.size, 3000)
      const before = seen.events
      // Coalesced: not an event for each.
      assert.isBelow(before, 20)
      one.kill()
      yield* pass(4)
      assert.strictEqual(seen.members.size, 3000)
      yield* pass(8)
      assert.deepStrictEqual(names(seen), ["member 7"])
      assert.strictEqual(seen.events, before + 1)
    })
  )

  it.effect("no member leaves because the engine is away", () =>
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const options = { lease: "6 seconds" } as const
      const [one, two] = [yield* startNode(engine, options), yield* startNode(engine, options)]
      yield* join(one.presence, "room", "ann")
      const seen = yield* watch(two.presence, "room")
      yield* pass(1)
      engine.setAvailable(false)
      yield* join(one.presence, "room", "bob")
      yield* pass(60)
      assert.deepStrictEqual(names(seen), ["ann"])
      engine.setAvailable(true)
      yield* pass(20)
      assert.deepStrictEqual(names(seen), ["ann", "bob"])
      assert.isBelow(seen.events, 4)
    })
  )

  it.effect("an engine that lost everything is told again who is there", () =>
    Effect.gen(function* () {
      const engine = MemoryEngine.make()
      const [one, two] = [yield* startNode(engine), yield* startNode(engine)]
      yield* join(one.presence, "room", "ann")
      yield* pass(1)
      engine.flush()
      yield* join(two.presence, "room", "bob")
      yield* pass(8)
      const third = yield* startNode(engine)
      const seen = yield* watch(third.presence, "room")
      yield* pass(2)
      assert.deepStrictEqual(names(seen), ["ann", "bob"])
    })
  )

  it.effect("bounds the name of a member", () =>
    Effect.gen(function* () {
      const { presence } = yield* startNode(MemoryEngine.make())
      const error = yield* Effect.flip(Effect.scoped(presence.join("room", "x".repeat(129))))
      assert.strictEqual(error.message, "129 exceeds maxMemberBytes (128)")
    })
  )
})

describe("PresenceState", () => {
  it("a node that was silent for the lease of all others is gone, and says so to itself", () => {
    const state = new PresenceState(9000)
    state.receive({ _tag: "Full", node: "a", members: ["ann"], isFirst: true, isLast: true }, 0)
    for (let at = 3000; at <= 9000; at += 3000) state.receive({ _tag: "Beat", node: "b" }, at)
    assert.deepStrictEqual([...state.members], ["ann"])
    const { change, gone } = state.receive({ _tag: "Beat", node: "a" }, 12_000)
    assert.deepStrictEqual([[...gone], [...change.left]], [["a"], ["ann"]])
  })

  it("a list in parts counts when it is complete", () => {
    const state = new PresenceState(9000)
    state.receive({ _tag: "Delta", node: "a", joined: ["old", "both"], left: [] }, 0)
    state.receive({ _tag: "Full", node: "a", members: ["both"], isFirst: true, isLast: false }, 1)
    assert.deepStrictEqual([...state.members], ["old", "both"])
    const { change } = state.receive({ _tag: "Full", node: "a", members: ["new"], isFirst: false, isLast: true }, 2)
    assert.deepStrictEqual([[...change.joined], [...change.left]], [["new"], ["old"]])
  })
})
