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
import { LinkedList } from "./internal/LinkedList.ts"
import type { Links } from "./internal/LinkedList.ts"
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
 * A timeout that runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timeout {
  /** Stops it. Does nothing after its time is over or it was stopped. */
  stop(): void
}

/**
 * Timeouts of one length.
 *
 * @category models
 * @since 0.1.0
 */
export class SharedTimeouts extends SharedTimer.SharedTimer {
  private readonly millis: number
  // In the order of their deadlines.
  private readonly pending = new LinkedList<PendingTimeout>()

  private readonly clock: Clock.Clock

  constructor(after: Duration.Duration, clock: Clock.Clock) {
    super()
    this.millis = Duration.toMillis(after)
    this.clock = clock
  }

  /** Starts a timeout. */
  add(target: TimeoutTarget): Timeout {
    if (this.millis === Infinity) return endless
    const timeout = new PendingTimeout(this, target, Monotonic.millisUnsafe(this.clock) + this.millis)
    this.pending.add(timeout)
    this.start(this.clock)
    return timeout
  }

  /** @internal */
  remove(timeout: PendingTimeout): boolean {
    const isRemoved = this.pending.delete(timeout)
    if (isRemoved) this.stopSoon()
    return isRemoved
  }

  /** Tests whether these timeouts have that length. */
  isOf(after: Duration.Duration): boolean {
    return this.millis === Duration.toMillis(after)
  }

  protected get isNeeded(): boolean {
    return this.pending.size > 0
  }

  protected run(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { first } = this.pending
      if (first === undefined) return this.end
      const rest = first.deadline - Monotonic.millisUnsafe(this.clock)
      if (rest > 0) return Effect.andThen(Effect.sleep(rest), this.run())
      try {
        first.expire()
      } catch (defect) {
        return Effect.andThen(Effect.logError("A timeout failed", Cause.die(defect)), this.run())
      }
      return this.run()
    })
  }
}

class PendingTimeout implements Timeout, Links<PendingTimeout> {
  readonly deadline: number
  previous: PendingTimeout | undefined = undefined
  next: PendingTimeout | undefined = undefined
  private readonly timeouts: SharedTimeouts
  private readonly target: TimeoutTarget

  constructor(timeouts: SharedTimeouts, target: TimeoutTarget, deadline: number) {
    this.timeouts = timeouts
    this.target = target
    this.deadline = deadline
  }

  stop(): void {
    this.timeouts.remove(this)
  }

  expire(): void {
    if (this.timeouts.remove(this)) this.target.expire()
  }
}

const endless: Timeout = { stop: () => {} }

/**
 * Starts a timeout among those of the same Clock and length.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (after: Duration.Duration, clock: Clock.Clock, expiring: TimeoutTarget): Timeout =>
  latestOf(after, clock).add(expiring)

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
          const exit = fiber.pollUnsafe()
          if (exit !== undefined) return resume(exit)
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
