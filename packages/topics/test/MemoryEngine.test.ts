import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryEngine from "../src/MemoryEngine.ts"
import * as TopicLog from "../src/TopicLog.ts"
import { suite } from "./support/guarantees.ts"
import type { Cluster } from "./support/guarantees.ts"

const makeCluster = (): Cluster => {
  const engine = MemoryEngine.make()
  return {
    node: (options) =>
      Effect.map(Layer.build(TopicLog.layerMemory({ ...options, engine })), (context) =>
        Context.get(context, TopicLog.TopicLog)
      ),
    snapshot: Effect.void,
    rollback: (lost) => Effect.sync(() => engine.restart(lost)),
    flush: Effect.sync(() => engine.flush()),
    stop: Effect.sync(() => engine.setAvailable(false)),
    start: Effect.sync(() => engine.setAvailable(true)),
    pass: (duration) => Effect.andThen(Effect.yieldNow, TestClock.adjust(duration))
  }
}

suite("memory", (name, body) => {
  it.effect(name, () => body(makeCluster()))
})

it.effect("G1: an append whose answer was lost says so, and its retry does not double it", () =>
  Effect.gen(function* () {
    const engine = MemoryEngine.make()
    const log = Context.get(yield* Layer.build(TopicLog.layerMemory({ engine })), TopicLog.TopicLog)
    engine.loseNextAnswers(1)
    const error = yield* Effect.flip(log.append("room", "once", { id: "x" }))
    assert(error._tag === "OutcomeUnknown")
    assert.strictEqual(error.id, "x")
    const { isDuplicate, position } = yield* log.append("room", "once", { id: error.id })
    assert.isTrue(isDuplicate)
    assert.strictEqual(position.offset, 1)
    assert.strictEqual((yield* log.head("room")).offset, 1)
  })
)

it.effect("a topic that is not used is forgotten after keepEmpty", () =>
  Effect.gen(function* () {
    const log = Context.get(yield* Layer.build(TopicLog.layerMemory({ keepEmpty: "1 day" })), TopicLog.TopicLog)
    const { position } = yield* log.append("room", "x")
    yield* TestClock.adjust("25 hours")
    const { items } = yield* log.read("room", position)
    assert.strictEqual(items[0]?._tag === "Gap" && items[0].reason, "Recreated")
  })
)
