/**
 * One timeout for many, all of the same length: who began first is due first, so a queue and one fiber will do where
 * a timer each would cost more than what it guards. Time is monotonic, by Effect's Clock.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Monotonic from "./Monotonic.ts"

/**
 * What a deadline is set for.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeoutTarget {
  /** The time is over. It was removed already. */
  expire(): void
}

/**
 * Deadlines of one length.
 *
 * @category models
 * @since 0.1.0
 */
export class SharedTimeouts {
  private readonly millis: number
  // In the order in which they are due, with the monotonic time when they are.
  private readonly waiting = new Map<TimeoutTarget, number>()
  private fiber: Fiber.Fiber<void> | undefined = undefined

  constructor(after: Duration.Duration) {
    this.millis = Duration.toMillis(after)
  }

  /** Sets a deadline from now on. The context is that of the fiber that waits, and all have the same Clock. */
  add(expiring: TimeoutTarget, context: Context.Context<never>): void {
    if (this.millis === Infinity) return
    const clock = Context.get(context, Clock.Clock)
    this.waiting.set(expiring, Monotonic.millisUnsafe(clock) + this.millis)
    this.fiber ??= Effect.runForkWith(context)(this.watch(clock))
  }

  /** Takes a deadline away. */
  remove(expiring: TimeoutTarget): void {
    if (!this.waiting.delete(expiring) || this.waiting.size > 0 || this.fiber === undefined) return
    const fiber = this.fiber
    this.fiber = undefined
    Effect.runFork(Fiber.interrupt(fiber))
  }

  /** Whether these are of that length. */
  isOf(after: Duration.Duration): boolean {
    return this.millis === Duration.toMillis(after)
  }

  private watch(clock: Clock.Clock): Effect.Effect<void> {
    return Effect.suspend(() => {
      const next = this.waiting.values().next()
      if (next.done === true) {
        this.fiber = undefined
        return Effect.void
      }
      const rest = next.value - Monotonic.millisUnsafe(clock)
      if (rest > 0) return Effect.andThen(Effect.sleep(rest), this.watch(clock))
      const [expiring] = this.waiting.keys()
      this.waiting.delete(expiring!)
      expiring!.expire()
      return this.watch(clock)
    })
  }
}

/**
 * A deadline among those of everybody else who waits by the same clock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (
  after: Duration.Duration,
  clock: Clock.Clock,
  expiring: TimeoutTarget
): { readonly stop: () => void } => {
  let deadlines = latest.get(clock)
  // Mostly all are of one length; those before another length came go on by themselves.
  if (deadlines === undefined || !deadlines.isOf(after)) {
    deadlines = new SharedTimeouts(after)
    latest.set(clock, deadlines)
  }
  // Of the context of whoever came first nothing is kept but the clock.
  deadlines.add(expiring, Context.make(Clock.Clock, clock))
  return { stop: () => deadlines.remove(expiring) }
}

const latest = new WeakMap<Clock.Clock, SharedTimeouts>()

/**
 * Interrupts an effect that takes too long, and goes on with another: `Effect.timeoutOrElse` for where there are many at
 * a time.
 *
 * @category combinators
 * @since 0.1.0
 */
export const timeoutOrElse = <A, E, R, A2, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  options: { readonly duration: Duration.Duration; readonly orElse: () => Effect.Effect<A2, E2, R2> }
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Duration.isFinite(options.duration)
    ? Effect.contextWith((context: Context.Context<R>) =>
        Effect.callback<A | A2, E | E2, R2>((resume) => {
          const fiber = Effect.runForkWith(context)(effect)
          let isLate = false
          const deadline = start(options.duration, Context.get(context, Clock.Clock), {
            expire: () => {
              isLate = true
              fiber.interruptUnsafe()
            }
          })
          fiber.addObserver((exit: Exit.Exit<A, E>) => {
            deadline.stop()
            resume(isLate ? options.orElse() : exit)
          })
          return Effect.suspend(() => {
            deadline.stop()
            return Fiber.interrupt(fiber)
          })
        })
      )
    : effect
