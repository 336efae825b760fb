import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as StoppedClock from "../src/StoppedClock.ts"

const stopped = Effect.succeed("stopped")

describe("a wait while a Scope closes", () => {
  it.effect("ends when the virtual clock has stopped, and is interrupted", () =>
    Effect.gen(function* () {
      let interrupted = false
      const wait = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      assert.strictEqual(yield* Effect.uninterruptible(StoppedClock.orElse(wait, stopped)), "stopped")
      assert.isTrue(interrupted)
    })
  )

  it.effect("goes on as long as a test moves the clock", () =>
    Effect.gen(function* () {
      const wait = Effect.as(Effect.sleep("1 hour"), "waited")
      const fiber = yield* Effect.forkChild(StoppedClock.orElse(wait, stopped), { startImmediately: true })
      // Longer in real time than a stopped clock is waited for.
      const step = Effect.andThen(TestClock.adjust("1 minute"), TestClock.withLive(Effect.sleep("5 millis")))
      yield* Effect.repeat(step, Schedule.recurs(60))
      assert.strictEqual(yield* Fiber.join(fiber), "waited")
    })
  )

  it.effect("keeps its own outcome", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* StoppedClock.orElse(Effect.succeed("waited"), stopped), "waited")
      assert.strictEqual(yield* Effect.flip(StoppedClock.orElse(Effect.fail("failed"), stopped)), "failed")
    })
  )

  it.live("is left alone by the system's clock", () =>
    Effect.gen(function* () {
      const wait = Effect.as(Effect.sleep(Duration.millis(150)), "waited")
      assert.strictEqual(yield* StoppedClock.orElse(wait, stopped), "waited")
    })
  )
})
