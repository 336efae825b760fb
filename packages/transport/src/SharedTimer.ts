/**
 * The base class of timers that many connections share. One fiber sleeps and serves every wait, because a fiber for
 * each wait would cost more than the work that it limits.
 *
 * The fiber runs while at least one wait is open. After the last wait ends, the fiber stays for a moment: on a busy
 * server the next wait starts soon, and a sleeping fiber costs less than a new one.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * A shared timer. Subclasses define when the timer is needed and what its fiber does.
 *
 * @category models
 * @since 0.1.0
 */
export abstract class SharedTimer {
  private fiber: Fiber.Fiber<void> | undefined = undefined
  private isStopping = false

  /** Whether at least one wait is open. */
  protected abstract readonly isNeeded: boolean

  /** What the fiber does. It ends with `end`, and may do so as soon as the timer is not needed. */
  protected abstract run(): Effect.Effect<void>

  /** Starts the fiber if it does not run. Call it when a wait begins. */
  protected start(clock: Clock.Clock): void {
    // The fiber outlives its first caller, so it keeps only the Clock of that caller's context.
    this.fiber ??= Effect.runForkWith(Context.make(Clock.Clock, clock))(this.run())
  }

  /** Ends the fiber from within. */
  protected get end(): Effect.Effect<void> {
    this.fiber = undefined
    return Effect.void
  }

  /** Stops the fiber a moment later if the timer is not needed then. Call it when a wait has ended. */
  protected stopSoon(): void {
    if (this.isNeeded || this.fiber === undefined || this.isStopping) return
    this.isStopping = true
    setTimeout(SharedTimer.stopIdle, LINGER_MILLIS, this)
  }

  private static stopIdle(timer: SharedTimer): void {
    timer.isStopping = false
    const { fiber } = timer
    if (timer.isNeeded || fiber === undefined) return
    timer.fiber = undefined
    Effect.runFork(Fiber.interrupt(fiber))
  }
}

// Longer than a busy client takes for a connection, and too short to delay the exit of a program.
const LINGER_MILLIS = 10

/**
 * Makes a lookup that returns the timer of a Clock: the one that it made last, if that has the options wanted, and
 * otherwise a new one.
 *
 * **Details**
 *
 * Most callers use the same options, so one timer for each Clock is kept. Earlier timers serve the waits that they
 * have.
 *
 * @category constructors
 * @since 0.1.0
 */
export const latestOf = <Options, Timer>(
  hasOptions: (timer: Timer, options: Options) => boolean,
  make: (options: Options, clock: Clock.Clock) => Timer
): ((options: Options, clock: Clock.Clock) => Timer) => {
  const latest = new WeakMap<Clock.Clock, Timer>()
  return (options, clock) => {
    const found = latest.get(clock)
    if (found !== undefined && hasOptions(found, options)) return found
    const made = make(options, clock)
    latest.set(clock, made)
    return made
  }
}
