import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as SharedTimeouts from "../src/SharedTimeouts.ts"
import type { TimeoutTarget } from "../src/SharedTimeouts.ts"

const second = Duration.seconds(1)

/** Timeouts of one second, and targets that record their names. */
const setUp = Effect.map(Effect.context<never>(), (context) => {
  const expired: Array<string> = []
  const target = (name: string, andThen?: () => void): TimeoutTarget => ({
    expire: () => {
      expired.push(name)
      andThen?.()
    }
  })
  return { expired, target, timeouts: new SharedTimeouts.SharedTimeouts(second, Context.get(context, Clock.Clock)) }
})

describe("SharedTimeouts", () => {
  it.effect("expires each target at its own time, in order", () =>
    Effect.gen(function* () {
      const { expired, target, timeouts } = yield* setUp
      timeouts.add(target("a"))
      yield* TestClock.adjust("400 millis")
      timeouts.add(target("b"))
      timeouts.add(target("c"))
      yield* TestClock.adjust("599 millis")
      assert.deepStrictEqual(expired, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(expired, ["a"])
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual(expired, ["a", "b", "c"])
    })
  )

  for (const stopped of ["a", "b", "c"]) {
    it.effect(`expires all but ${stopped}, which was stopped`, () =>
      Effect.gen(function* () {
        const { expired, target, timeouts } = yield* setUp
        const all = ["a", "b", "c"]
        const started = all.map((name) => timeouts.add(target(name)))
        started[all.indexOf(stopped)]!.stop()
        yield* TestClock.adjust(second)
        assert.deepStrictEqual(
          expired,
          all.filter((name) => name !== stopped)
        )
      })
    )
  }

  it.effect("ignores a stop after the end of the timeout, and a second stop", () =>
    Effect.gen(function* () {
      const { expired, target, timeouts } = yield* setUp
      const late = timeouts.add(target("a"))
      yield* TestClock.adjust(second)
      late.stop()
      const twice = timeouts.add(target("b"))
      timeouts.add(target("c"))
      twice.stop()
      twice.stop()
      yield* TestClock.adjust(second)
      assert.deepStrictEqual(expired, ["a", "c"])
    })
  )

  it.effect("lets a target stop others and start another timeout", () =>
    Effect.gen(function* () {
      const { expired, target, timeouts } = yield* setUp
      timeouts.add(
        target("a", () => {
          next.stop()
          timeouts.add(target("d"))
        })
      )
      const next = timeouts.add(target("b"))
      timeouts.add(target("c"))
      yield* TestClock.adjust(second)
      assert.deepStrictEqual(expired, ["a", "c"])
      yield* TestClock.adjust(second)
      assert.deepStrictEqual(expired, ["a", "c", "d"])
    })
  )

  it.effect("never expires an infinite timeout", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const { expired, target } = yield* setUp
      const timeout = SharedTimeouts.start(Duration.infinity, clock, target("a"))
      yield* TestClock.adjust("10000 days")
      timeout.stop()
      assert.deepStrictEqual(expired, [])
    })
  )

  it.effect("replaces an effect that takes too long, and returns that of one in time", () =>
    Effect.gen(function* () {
      const options = { duration: second, orElse: () => Effect.succeed("late") }
      const soon = yield* SharedTimeouts.timeoutOrElse(Effect.succeed("now"), options)
      const failure = yield* Effect.flip(SharedTimeouts.timeoutOrElse(Effect.fail("failed"), options))
      const inTime = yield* Effect.forkChild(
        SharedTimeouts.timeoutOrElse(Effect.as(Effect.sleep("999 millis"), "in time"), options)
      )
      const never = yield* Effect.forkChild(SharedTimeouts.timeoutOrElse(Effect.never, options))
      yield* TestClock.adjust(second)
      assert.deepStrictEqual(
        [soon, failure, yield* Fiber.join(inTime), yield* Fiber.join(never)],
        ["now", "failed", "in time", "late"]
      )
    })
  )
})
