/**
 * One shared timer for many timeouts of the same length. The timeout that starts first ends first, so a queue and one
 * fiber suffice, where a timer for each would cost more than the work it guards. Time is monotonic and comes from
 * Effect's Clock.
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
 * The target of a timeout.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeoutTarget {
  /** Runs when the time is over. The target is already removed. */
  expire(): void
}

/**
 * Timeouts of one length.
 *
 * @category models
 * @since 0.1.0
 */
export class SharedTimeouts {
  private readonly millis: number
  // Targets in the order of their deadlines, each with its monotonic deadline.
  private readonly waiting = new Map<TimeoutTarget, number>()
  private fiber: Fiber.Fiber<void> | undefined = undefined

  constructor(after: Duration.Duration) {
    this.millis = Duration.toMillis(after)
  }

  /** Starts a timeout. `context` is that of the waiting fiber; all contexts have the same Clock. */
  add(expiring: TimeoutTarget, context: Context.Context<never>): void {
    if (this.millis === Infinity) return
    const clock = Context.get(context, Clock.Clock)
    this.waiting.set(expiring, Monotonic.millisUnsafe(clock) + this.millis)
    this.fiber ??= Effect.runForkWith(context)(this.watch(clock))
  }

  /** Stops a timeout. */
  remove(expiring: TimeoutTarget): void {
    if (!this.waiting.delete(expiring) || this.waiting.size > 0 || this.fiber === undefined) return
    const fiber = this.fiber
    this.fiber = undefined
    Effect.runFork(Fiber.interrupt(fiber))
  }

  /** Tests whether these timeouts have that length. */
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
 * Starts a timeout among those of the same Clock and length.
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
  // Most timeouts have one length; timeouts of a previous length keep running on their own.
  if (deadlines === undefined || !deadlines.isOf(after)) {
    deadlines = new SharedTimeouts(after)
    latest.set(clock, deadlines)
  }
  // Keeps only the Clock of the first caller's context, so that nothing else of it is retained.
  deadlines.add(expiring, Context.make(Clock.Clock, clock))
  return { stop: () => deadlines.remove(expiring) }
}

const latest = new WeakMap<Clock.Clock, SharedTimeouts>()

/**
 * Interrupts an effect that takes too long and runs another instead. Replaces `Effect.timeoutOrElse` where many
 * timeouts run at a time.
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
