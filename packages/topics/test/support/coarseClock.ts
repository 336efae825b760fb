/**
 * A clock that only the test moves, for tests with ten thousand fibers: it wakes all sleepers of one instant together,
 * where `TestClock` waits for each.
 */
import type { Clock } from "effect"
import { Duration, Effect } from "effect"

const settle = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

export class CoarseClock implements Clock.Clock {
  private now = 0
  /** Who sleeps, by the millisecond at which they wake. */
  private readonly sleepers = new Map<number, Set<() => void>>()

  currentTimeMillisUnsafe(): number {
    return this.now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.now) * 1_000_000n
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const millis = Duration.toMillis(duration)
      if (millis <= 0) return resume(Effect.void)
      if (!Number.isFinite(millis)) return
      const at = Math.ceil(this.now + millis)
      const wake = (): void => resume(Effect.void)
      const others = this.sleepers.get(at)
      if (others === undefined) this.sleepers.set(at, new Set([wake]))
      else others.add(wake)
      return Effect.sync(() => this.sleepers.get(at)?.delete(wake))
    })
  }

  /** Lets time pass, millisecond by millisecond where anybody wakes, and all happen that needs none. */
  pass(millis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const end = this.now + millis
      const turn: Effect.Effect<void> = Effect.suspend(() => {
        const due = this.sleepers.get(this.now)
        if (due !== undefined) {
          this.sleepers.delete(this.now)
          for (const wake of due) wake()
          return Effect.andThen(settle, turn)
        }
        if (this.now === end) return Effect.void
        this.now++
        return turn
      })
      return Effect.andThen(settle, Effect.andThen(turn, Effect.repeat(settle, { times: 3 })))
    })
  }
}
