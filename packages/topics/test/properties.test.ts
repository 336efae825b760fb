/**
 * Any interleaving of publishing, subscribing, resuming, slow reading, trimming, expiry, node death and engine
 * restarts: for every subscriber the entries and gaps that it saw cover the log exactly.
 */
import { assert, it } from "@effect/vitest"
import { Arbitrary, Context, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as Position from "../src/Position.ts"
import * as TopicLog from "../src/TopicLog.ts"
import type { TopicItem, TopicReader } from "../src/TopicLog.ts"

const small = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 }))

const Op = Schema.TaggedUnion({
  Append: { topic: small, node: small, count: small, loseAnswer: Schema.Boolean },
  Subscribe: { topic: small, node: small, from: small },
  Read: { subscriber: small },
  ReadMany: { subscriber: small },
  KillNode: { node: small },
  Restart: { lost: small },
  Flush: {},
  Evict: { topic: small },
  Away: {},
  LoseDeliveries: { count: small },
  Pass: { seconds: small }
})
type Op = typeof Op.Type

// Appends and reads are what mostly happens.
const operations: ReadonlyArray<ReadonlyArray<Op["_tag"]>> = [
  ["Append", "Append", "Append", "Append", "Subscribe", "Subscribe", "Read", "Read", "ReadMany", "Pass"],
  ["KillNode", "KillNode", "Restart", "Restart", "Restart", "Restart", "LoseDeliveries", "Away", "Flush", "Evict"]
]

const topics = ["a", "b"]
const maxEntries = 6

interface Subscriber {
  readonly topic: string
  readonly start: Position.Position
  node: number
  scope: Scope.Closeable
  reader: TopicReader
  pending: Fiber.Fiber<ReadonlyArray<TopicItem>> | undefined
  position: Position.Position
  readonly seen: Array<TopicItem>
}

interface Node {
  readonly scope: Scope.Closeable
  readonly log: TopicLog.TopicLog["Service"]
}

const settle = Effect.forEach(Array.from({ length: 8 }), () => Effect.yieldNow, { discard: true })

const world = Effect.fnUntraced(function* (ops: ReadonlyArray<Op>) {
  const engine = MemoryEngine.make()
  const happened = new Set<string>()
  const written = new Map<string, string>()
  const positions: Array<{ readonly topic: string; readonly position: Position.Position }> = []
  const subscribers: Array<Subscriber> = []
  let isAway = false
  let count = 0

  const startNode = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const layer = TopicLog.layerMemory({
      engine,
      maxEntries,
      maxAge: "20 seconds",
      recentEntries: 3,
      pageEntries: 2,
      pageBytes: 64
    })
    return { scope, log: Context.get(yield* Scope.provide(Layer.build(layer), scope), TopicLog.TopicLog) }
  })
  const nodes: Array<Node> = [yield* startNode, yield* startNode, yield* startNode]

  const write = (topic: string, position: Position.Position, data: string): void => {
    const key = `${topic} ${Position.format(position)}`
    assert.strictEqual(written.get(key) ?? data, data, `two entries at ${key}`)
    written.set(key, data)
  }

  const attach = Effect.fnUntraced(function* (
    topic: string,
    node: number,
    after: Position.Position | undefined,
    existing?: Subscriber
  ) {
    const scope = yield* Scope.make()
    const reader = yield* Effect.exit(Scope.provide(nodes[node]!.log.follow(topic, { after }), scope))
    if (Exit.isFailure(reader)) return yield* Scope.close(scope, Exit.void)
    const { value } = reader
    if (existing !== undefined) return void Object.assign(existing, { node, scope, reader: value, pending: undefined })
    subscribers.push({
      topic,
      start: value.position,
      node,
      scope,
      reader: value,
      pending: undefined,
      position: value.position,
      seen: []
    })
  })

  /** Takes one batch, if there is one without waiting. */
  const read = Effect.fnUntraced(function* (subscriber: Subscriber) {
    subscriber.pending ??= yield* Effect.forkDetach(subscriber.reader.pull, { startImmediately: true })
    yield* settle
    const exit = subscriber.pending.pollUnsafe()
    if (exit === undefined) return false
    subscriber.pending = undefined
    assert(Exit.isSuccess(exit), String(exit))
    for (const item of exit.value) {
      subscriber.seen.push(item)
      subscriber.position = item._tag === "Entry" ? item.position : item.resumesAt
      if (item._tag === "Entry") write(subscriber.topic, item.position, String(item.data))
    }
    return true
  })

  const run = Effect.fnUntraced(function* (op: Op) {
    switch (op._tag) {
      case "Append": {
        const topic = topics[op.topic % 2]!
        for (let at = 0; at <= op.count; at++) {
          const data = String(count++)
          if (op.loseAnswer) engine.loseNextAnswers(1)
          const append = nodes[op.node % 3]!.log.append(topic, data, { id: data })
          let exit = yield* Effect.exit(append)
          if (op.loseAnswer && !isAway) exit = yield* Effect.exit(append)
          engine.loseNextAnswers(0)
          if (Exit.isFailure(exit)) continue
          assert.strictEqual(exit.value.isDuplicate, op.loseAnswer)
          write(topic, exit.value.position, data)
          positions.push({ topic, position: exit.value.position })
        }
        return
      }
      case "Subscribe": {
        if (subscribers.length >= 8) return
        const topic = topics[op.topic % 2]!
        const known = positions.filter((one) => one.topic === topic)
        const after = op.from === 0 ? undefined : known[known.length - op.from]?.position
        return yield* attach(topic, op.node % 3, after)
      }
      case "Read":
      case "ReadMany": {
        if (subscribers.length === 0) return
        const subscriber = subscribers[op.subscriber % subscribers.length]!
        if (op._tag === "Read") return void (yield* read(subscriber))
        while (yield* read(subscriber));
        return
      }
      case "KillNode": {
        const node = op.node % 3
        yield* Scope.close(nodes[node]!.scope, Exit.void)
        nodes[node] = yield* startNode
        for (const subscriber of subscribers) {
          if (subscriber.node !== node) continue
          if (subscriber.pending !== undefined) yield* Fiber.interrupt(subscriber.pending)
          yield* Scope.close(subscriber.scope, Exit.void)
          engine.setAvailable(true)
          isAway = false
          yield* attach(subscriber.topic, (node + 1) % 3, subscriber.position, subscriber)
        }
        return
      }
      case "Restart":
        if (op.lost > 0) happened.add("RolledBack")
        return engine.restart(op.lost)
      case "Flush":
        happened.add("Recreated")
        return engine.flush()
      case "Evict":
        happened.add("Recreated")
        return engine.evict(topics[op.topic % 2]!)
      case "Away":
        isAway = !isAway
        return engine.setAvailable(!isAway)
      case "LoseDeliveries":
        return engine.loseNextDeliveries(op.count)
      case "Pass":
        yield* settle
        return yield* TestClock.adjust(`${op.seconds} seconds`)
    }
  })

  for (const op of ops) yield* run(op)

  // In the end everything is there again, and everyone reads up to the end.
  engine.setAvailable(true)
  engine.loseNextDeliveries(0)
  for (const topic of topics) {
    const exit = yield* Effect.exit(nodes[0]!.log.append(topic, `last of ${topic}`))
    assert(Exit.isSuccess(exit))
    write(topic, exit.value.position, `last of ${topic}`)
  }
  for (let quiet = 0; quiet < 3; quiet++) {
    yield* TestClock.adjust("1 second")
    for (const subscriber of subscribers) while (yield* read(subscriber)) quiet = 0
  }

  const firstOf = new Map<string, number>()
  for (const key of written.keys()) {
    const [topic, text] = key.split(" ") as [string, string]
    const { epoch, offset } = Position.parse(text)!
    const part = `${topic} ${epoch}`
    firstOf.set(part, Math.min(firstOf.get(part) ?? Number.POSITIVE_INFINITY, offset))
  }
  for (const subscriber of subscribers) {
    const { seen, start, topic } = subscriber
    const head = yield* nodes[0]!.log.head(topic)
    const kept = yield* nodes[0]!.log.read(topic, "oldest", { maxEntries: 1 })
    const first = kept.items[0]?._tag === "Entry" ? kept.items[0].position.offset : head.offset + 1
    let at = start
    const positionsSeen = new Set<string>()
    for (const item of seen) {
      if (item._tag === "Gap") {
        assert.isTrue(Position.equals(item.after, at), `a gap after ${Position.format(at)}`)
        if (item.reason === "Trimmed" || item.reason === "Expired") {
          assert.strictEqual(item.lost, item.resumesAt.offset - item.after.offset)
          assert.isAbove(item.lost as number, 0)
          if (item.resumesAt.epoch === head.epoch) assert.isAbove(first, item.resumesAt.offset, "a gap without a loss")
        } else {
          assert.isTrue(happened.has(item.reason), `${item.reason} did not happen`)
        }
        at = item.resumesAt
        continue
      }
      const { epoch, offset } = item.position
      assert.strictEqual(offset, at.offset + 1, "an entry is missing or came twice")
      if (epoch !== at.epoch) {
        assert.isAbove(epoch, at.epoch)
        // The log went on from exactly where the subscriber was.
        assert.strictEqual(firstOf.get(`${topic} ${epoch}`), offset, "entries of another epoch were skipped")
      }
      assert.isFalse(positionsSeen.has(Position.format(item.position)), "an entry came twice")
      positionsSeen.add(Position.format(item.position))
      at = item.position
    }
    assert.strictEqual(Position.format(at), Position.format(head), "a subscriber is not at the end")
    if (subscriber.pending !== undefined) yield* Fiber.interrupt(subscriber.pending)
    yield* Scope.close(subscriber.scope, Exit.void)
  }
})

const arbitrary = Arbitrary.array(
  Arbitrary.flatMap(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 49 }))), (number) => {
    const tag = number < 40 ? operations[0]![number % 10]! : operations[1]![number - 40]!
    return Arbitrary.schema(Op.cases[tag]) as Arbitrary.Arbitrary<Op>
  }),
  { minLength: 5, maxLength: 60 }
)

it.effect.prop(
  "G3: whatever happens, what a subscriber saw covers the log exactly",
  [arbitrary],
  ([ops]) => world(ops),
  { arbitrary: { runs: 1000 }, timeout: 120_000 }
)
