/**
 * One timeout for many, all of the same length: who began first is due first, so a queue and one fiber will do where
 * a timer each would cost more than what it guards.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** What a deadline is set for. */
export interface Expiring {
  /** The time is over. It was removed already. */
  expire(): void
}

export class Deadlines {
  private readonly millis: number
  // In the order in which they are due, with the time of the clock when they are.
  private readonly waiting = new Map<Expiring, number>()
  private fiber: Fiber.Fiber<void> | undefined = undefined

  constructor(after: Duration.Duration) {
    this.millis = Duration.toMillis(after)
  }

  add(expiring: Expiring, context: Context.Context<never>): void {
    if (this.millis === Infinity) return
    const clock = Context.get(context, Clock.Clock)
    this.waiting.set(expiring, clock.currentTimeMillisUnsafe() + this.millis)
    this.fiber ??= Effect.runForkWith(context)(this.watch(clock))
  }

  remove(expiring: Expiring): void {
    if (!this.waiting.delete(expiring) || this.waiting.size > 0 || this.fiber === undefined) return
    const fiber = this.fiber
    this.fiber = undefined
    Effect.runFork(Fiber.interrupt(fiber))
  }

  private watch(clock: Clock.Clock): Effect.Effect<void> {
    return Effect.suspend(() => {
      const next = this.waiting.values().next()
      if (next.done === true) {
        this.fiber = undefined
        return Effect.void
      }
      const rest = next.value - clock.currentTimeMillisUnsafe()
      if (rest > 0) return Effect.andThen(Effect.sleep(rest), this.watch(clock))
      const [expiring] = this.waiting.keys()
      this.waiting.delete(expiring!)
      expiring!.expire()
      return this.watch(clock)
    })
  }
}
