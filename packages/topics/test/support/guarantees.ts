/** What every engine must keep, G1 to G5 of docs/scale.md; G6 is between client and server. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric } from "effect"
import type { Duration, Scope } from "effect"
import * as Position from "../../src/Position.ts"
import * as metrics from "../../src/internal/metrics.ts"
import type { Gap, TopicItem, TopicLog, TopicLogOptions, TopicReader } from "../../src/TopicLog.ts"

export type Node = TopicLog["Service"]

/** An engine under test, and what can happen to it. */
export interface Cluster {
  /** Starts a node until the Scope closes. */
  readonly node: (options?: TopicLogOptions) => Effect.Effect<Node, unknown, Scope.Scope>
  /** Keeps the state to which `rollback` goes back. */
  readonly snapshot: Effect.Effect<void>
  /** The engine comes back without the `lost` entries of the topic that were appended since the snapshot. */
  readonly rollback: (lost: number) => Effect.Effect<void>
  readonly flush: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
  readonly pass: (duration: Duration.Input) => Effect.Effect<void>
}

export type Test = (name: string, body: (cluster: Cluster) => Effect.Effect<void, unknown, Scope.Scope>) => void

/** Says in a few words what a reader got. */
export const tell = (item: TopicItem): string =>
  item._tag === "Entry"
    ? String(item.data)
    : `${item.reason} ${item.after.offset}-${item.resumesAt.offset} lost ${item.lost}`

/** Takes items until there are as many as expected. */
export const take = (reader: TopicReader, count: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(takeItems(reader, count), (items) => items.map(tell))

export const takeItems = Effect.fnUntraced(function* (reader: TopicReader, count: number) {
  const items: Array<TopicItem> = []
  while (items.length < count) items.push(...(yield* reader.pull))
  return items
})

/** Collects what a reader gets, for as long as the Scope is open. */
export const collect = Effect.fnUntraced(function* (reader: TopicReader) {
  const items: Array<TopicItem> = []
  yield* Effect.forkScoped(Effect.forever(Effect.map(reader.pull, (some) => void items.push(...some))), {
    startImmediately: true
  })
  return items
})

const appendAll = (node: Node, topic: string, from: number, to: number) =>
  Effect.forEach(
    Array.from({ length: to - from + 1 }, (_, at) => String(from + at)),
    (data) => node.append(topic, data),
    { discard: true }
  )

const numbers = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from + 1 }, (_, at) => String(from + at))

export const suite = (engine: string, test: Test): void => {
  describe(`the guarantees over ${engine}`, () => {
    test("G1: what was acknowledged is in the log, text and bytes as they were", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node()
        const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
        const first = yield* node.append("{a} room", "Grüße \u0000 \u{1F600}")
        const second = yield* node.append("{a} room", bytes)
        assert.deepStrictEqual([first.position.offset, second.position.offset], [1, 2])
        const { isLast, items, next } = yield* node.read("{a} room", "oldest")
        assert.deepStrictEqual(
          items.map((item) => (item._tag === "Entry" ? item.data : item)),
          ["Grüße \u0000 \u{1F600}", bytes]
        )
        assert.isTrue(isLast)
        assert.isTrue(Position.equals(next, second.position))
      }))

    test("G1: an append with the id of an earlier one gives the first position, within its publisher and topic", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ idWindow: "2 seconds" })
        const other = yield* cluster.node({ idWindow: "2 seconds" })
        const first = yield* node.append("room", "1", { id: "x", publisher: "ann" })
        const again = yield* other.append("room", "1", { id: "x", publisher: "ann" })
        assert.deepStrictEqual(again, { position: first.position, isDuplicate: true })
        assert.isFalse((yield* node.append("room", "2", { id: "x", publisher: "bob" })).isDuplicate)
        assert.isFalse((yield* node.append("hall", "3", { id: "x", publisher: "ann" })).isDuplicate)
        yield* cluster.pass("2100 millis")
        assert.isFalse((yield* node.append("room", "4", { id: "x", publisher: "ann" })).isDuplicate)
      }))

    test("G2: all readers on all nodes get one order, and a publisher's entries in its order", (cluster) =>
      Effect.gen(function* () {
        const nodes = [yield* cluster.node(), yield* cluster.node(), yield* cluster.node()]
        const readers = yield* Effect.forEach(nodes, (node) => node.follow("room"))
        yield* Effect.forEach(
          nodes,
          (node, at) =>
            Effect.forEach(numbers(1, 30), (number) => node.append("room", `${at}:${number}`), { discard: true }),
          { concurrency: "unbounded", discard: true }
        )
        const got = yield* Effect.forEach(readers, (reader) => take(reader, 90))
        assert.deepStrictEqual(got[1], got[0])
        assert.deepStrictEqual(got[2], got[0])
        for (const at of nodes.keys()) {
          const own = got[0]!.filter((data) => data.startsWith(`${at}:`))
          assert.deepStrictEqual(
            own,
            numbers(1, 30).map((number) => `${at}:${number}`)
          )
        }
      }))

    test("G3: who resumes after any position gets exactly what came later", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ pageEntries: 3 })
        const start = yield* node.head("room")
        assert.strictEqual(start.offset, 0)
        const positions = [start]
        for (const data of numbers(1, 10)) positions.push((yield* node.append("room", data)).position)
        for (const [offset, after] of positions.entries()) {
          const reader = yield* node.follow("room", { after })
          if (offset < 10) assert.deepStrictEqual(yield* take(reader, 10 - offset), numbers(offset + 1, 10))
          const items = yield* collect(reader)
          yield* node.append("other", "x")
          assert.deepStrictEqual(items, [])
        }
      }))

    test("G3: the first entry of an empty topic is not lost to who was subscribed before", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node()
        const { position } = yield* Effect.scoped(node.follow("room"))
        yield* node.append("room", "first")
        const resumed = yield* node.follow("room", { after: position })
        assert.deepStrictEqual(yield* take(resumed, 1), ["first"])
      }))

    test("G3: what was trimmed is a gap that says how much", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ maxEntries: 5 })
        yield* appendAll(node, "room", 1, 2)
        const after = yield* node.head("room")
        yield* appendAll(node, "room", 3, 12)
        const reader = yield* node.follow("room", { after })
        assert.deepStrictEqual(yield* take(reader, 6), ["Trimmed 2-7 lost 5", ...numbers(8, 12)])
      }))

    test("G3: what expired is a gap, and a topic that was not written to is none", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ maxAge: "400 millis" })
        yield* appendAll(node, "room", 1, 3)
        const { items } = yield* node.read("room", "oldest", { maxEntries: 1 })
        assert(items[0]?._tag === "Entry")
        const after = items[0].position
        const head = yield* node.head("room")
        yield* cluster.pass("500 millis")
        const { items: missed } = yield* node.read("room", after)
        assert.deepStrictEqual(missed.map(tell), ["Expired 1-3 lost 2"])
        const { items: nothing } = yield* node.read("room", head)
        assert.deepStrictEqual(nothing, [])
        yield* node.append("room", "4")
        assert.deepStrictEqual((yield* node.read("room", head)).items.map(tell), ["4"])
      }))

    test("G3: a log that was lost begins anew, and no old position is mistaken for a new one", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node()
        yield* appendAll(node, "room", 1, 5)
        const { items } = yield* node.read("room", "oldest", { maxEntries: 2 })
        assert(items[1]?._tag === "Entry")
        const after = items[1].position
        yield* cluster.flush
        yield* appendAll(node, "room", 6, 9)
        const reader = yield* node.follow("room", { after })
        assert.deepStrictEqual(yield* take(reader, 5), ["Recreated 2-0 lost unknown", ...numbers(6, 9)])
      }))

    test("G4: who reads slowly is fed in pages, gets a gap for what was trimmed meanwhile, and catches up", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ maxEntries: 50, recentEntries: 4, pageEntries: 7 })
        const slow = yield* node.follow("room")
        const quick = yield* node.follow("room")
        const all = yield* collect(quick)
        const publish = Effect.fnUntraced(function* (from: number, to: number) {
          yield* appendAll(node, "room", from, to)
          while (all.length < to) yield* cluster.pass("10 millis")
        })
        yield* publish(1, 40)
        assert.deepStrictEqual(yield* take(slow, 7), numbers(1, 7))
        for (const from of [41, 61, 81]) yield* publish(from, from + 19)
        assert.deepStrictEqual(yield* take(slow, 51), ["Trimmed 7-50 lost 43", ...numbers(51, 100)])
        yield* node.append("room", "live")
        assert.deepStrictEqual(yield* take(slow, 1), ["live"])
        while (all.length < 101) yield* cluster.pass("10 millis")
        assert.deepStrictEqual(all.map(tell), [...numbers(1, 100), "live"])
      }))

    test("G4: many who resume at once share their reads", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ recentEntries: 10 })
        const after = yield* node.head("room")
        yield* appendAll(node, "room", 1, 60)
        const before = (yield* Metric.value(metrics.pages)).count
        const got = yield* Effect.forEach(
          numbers(1, 500),
          () => Effect.flatMap(node.follow("room", { after }), (reader) => take(reader, 60)),
          { concurrency: "unbounded" }
        )
        for (const items of got) assert.deepStrictEqual(items, numbers(1, 60))
        assert.isBelow(Number((yield* Metric.value(metrics.pages)).count) - Number(before), 20)
      }))

    test("G5: while the engine is away publishing fails in bounded time, subscriptions stay, and then go on", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node()
        const reader = yield* node.follow("room")
        yield* node.append("room", "before")
        assert.deepStrictEqual(yield* take(reader, 1), ["before"])
        yield* cluster.stop
        const error = yield* Effect.flip(node.append("room", "lost"))
        assert.include(["LogUnavailable", "OutcomeUnknown"], error._tag)
        const items = yield* collect(reader)
        yield* cluster.start
        let appended = yield* Effect.exit(node.append("room", "after", { id: "after" }))
        while (Exit.isFailure(appended)) {
          yield* cluster.pass("100 millis")
          appended = yield* Effect.exit(node.append("room", "after", { id: "after" }))
        }
        while (items.length === 0) yield* cluster.pass("100 millis")
        assert.deepStrictEqual(items.map(tell), ["after"])
      }))

    test("G5: an engine that came back with older data is noticed: a gap for what it lost, none for who had less", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node()
        const live = yield* collect(yield* node.follow("room"))
        yield* appendAll(node, "room", 1, 5)
        const kept = yield* node.head("room")
        yield* cluster.snapshot
        yield* appendAll(node, "room", 6, 8)
        const lost = yield* node.head("room")
        while (live.length < 8) yield* cluster.pass("10 millis")
        yield* cluster.rollback(3)
        // Nothing needs to be appended for that.
        while (live.length < 9) yield* cluster.pass("50 millis")
        let appended = yield* Effect.exit(node.append("room", "6'", { id: "6'" }))
        while (Exit.isFailure(appended)) {
          yield* cluster.pass("100 millis")
          appended = yield* Effect.exit(node.append("room", "6'", { id: "6'" }))
        }
        yield* node.append("room", "7'")
        const above = yield* node.follow("room", { after: lost })
        assert.deepStrictEqual(yield* take(above, 3), ["RolledBack 8-5 lost unknown", "6'", "7'"])
        const below = yield* node.follow("room", { after: kept })
        assert.deepStrictEqual(yield* take(below, 2), ["6'", "7'"])
        while (live.length < 11) yield* cluster.pass("50 millis")
        assert.deepStrictEqual(live.map(tell), [...numbers(1, 8), "RolledBack 8-5 lost unknown", "6'", "7'"])
        const gap = live[8] as Gap
        assert.isTrue(Position.equals(gap.resumesAt, kept))
      }))

    test("bounds the name of a topic, an entry, an id, and the topics of a node", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ maxFollowedTopics: 1 })
        const limits = yield* Effect.forEach(
          [
            node.append("ü".repeat(129), "x"),
            node.append("room", "ü".repeat(32 * 1024 + 1)),
            node.append("room", "x", { id: "x".repeat(129) }),
            node.head("x".repeat(257)),
            Effect.andThen(node.follow("a"), node.follow("b"))
          ] as ReadonlyArray<Effect.Effect<unknown, unknown, Scope.Scope>>,
          (effect) => Effect.flip(effect)
        )
        assert.deepStrictEqual(
          limits.map((error) => (error as Error).message),
          [
            "258 exceeds maxTopicBytes (256)",
            "65538 exceeds maxEntryBytes (65536)",
            "129 exceeds maxIdBytes (128)",
            "257 exceeds maxTopicBytes (256)",
            "2 exceeds maxFollowedTopics (1)"
          ]
        )
        yield* node.append("ü".repeat(128), "ü".repeat(32 * 1024))
      }))

    test("a reader that is interrupted leaves nothing behind", (cluster) =>
      Effect.gen(function* () {
        const node = yield* cluster.node({ maxFollowedTopics: 1 })
        for (const topic of ["a", "b", "c"]) {
          const fiber = yield* Effect.forkChild(
            Effect.scoped(Effect.flatMap(node.follow(topic), ({ pull }) => Effect.forever(pull))),
            { startImmediately: true }
          )
          yield* node.append(topic, "x")
          yield* Fiber.interrupt(fiber)
        }
        yield* node.follow("d")
      }))
  })
}
