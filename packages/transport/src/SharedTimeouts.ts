/**
 * One shared timer for many timeouts of the same length. The timeout that starts first ends first, so a queue and one
 * fiber suffice. Time is monotonic and comes from Effect's Clock.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Monotonic from "./Monotonic.ts"
import * as SharedTimer from "./SharedTimer.ts"

/**
 * The target of a timeout.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeoutTarget {
  /** Runs when the time is over. The target is already removed. What it throws is logged. */
  expire(): void
}

/**
 * Timeouts of one length.
 *
 * @category models
 * @since 0.1.0
 */
export class SharedTimeouts extends SharedTimer.SharedTimer {
  private readonly millis: number
  // Targets in the order of their deadlines, each with its monotonic deadline.
  private readonly waiting = new Map<TimeoutTarget, number>()

  private readonly clock: Clock.Clock

  constructor(after: Duration.Duration, clock: Clock.Clock) {
    super()
    this.millis = Duration.toMillis(after)
    this.clock = clock
  }

  /** Starts a timeout. */
  add(expiring: TimeoutTarget): void {
    if (this.millis === Infinity) return
    this.waiting.set(expiring, Monotonic.millisUnsafe(this.clock) + this.millis)
    this.start(this.clock)
  }

  /** Stops a timeout. */
  remove(expiring: TimeoutTarget): void {
    if (this.waiting.delete(expiring)) this.stopSoon()
  }

  /** Tests whether these timeouts have that length. */
  isOf(after: Duration.Duration): boolean {
    return this.millis === Duration.toMillis(after)
  }

  protected get isNeeded(): boolean {
    return this.waiting.size > 0
  }

  protected run(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const next = this.waiting.values().next()
      if (next.done === true) return this.end
      const rest = next.value - Monotonic.millisUnsafe(this.clock)
      if (rest > 0) return Effect.andThen(Effect.sleep(rest), this.run())
      const [expiring] = this.waiting.keys()
      this.waiting.delete(expiring!)
      try {
        expiring!.expire()
      } catch (defect) {
        return Effect.andThen(Effect.logError("A timeout failed", Cause.die(defect)), this.run())
      }
      return this.run()
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
  const timeouts = latestOf(after, clock)
  timeouts.add(expiring)
  return { stop: () => timeouts.remove(expiring) }
}

/**
 * Returns the timeouts of a Clock and a length. All callers with the same Clock and length share them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const latestOf = SharedTimer.latestOf<Duration.Duration, SharedTimeouts>(
  (timeouts, after) => timeouts.isOf(after),
  (after, clock) => new SharedTimeouts(after, clock)
)

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
