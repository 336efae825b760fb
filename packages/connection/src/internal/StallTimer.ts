/**
 * The deadline of messages that are not complete, for many connections with one fiber: a tick that looks whether each
 * message went on since the last one.
 *
 * A connection is watched from the first chunk that leaves a message incomplete. Nothing is kept for the others, and a
 * chunk costs no timer.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** What is asked of a connection. */
export interface StallTarget {
  /** Whether a message is incomplete. */
  readonly isReceiving: boolean
  /** Changes with each part of a message that arrives. */
  readonly progress: number
  /** Whether it is this end that does not go on. */
  readonly isHeldUp: boolean
  /** The message did not go on in time. */
  onStall(): void
}

interface Watch {
  progress: number
  /** The monotonic time when it was last seen to go on. */
  since: bigint
}

const TICKS = 8

export class StallTimer {
  /** Makes one, or gives the one that others by the same clock have already. */
  static of(timeout: Duration.Duration, clock: Clock.Clock | undefined): StallTimer | undefined {
    if (!Duration.isFinite(timeout)) return undefined
    if (clock === undefined) return new StallTimer(timeout)
    const latest = byClock.get(clock)
    if (latest !== undefined && Duration.equals(latest.timeout, timeout)) return latest
    const stalls = new StallTimer(timeout, Context.make(Clock.Clock, clock))
    byClock.set(clock, stalls)
    return stalls
  }

  private readonly timeout: Duration.Duration
  private readonly nanos: bigint
  private readonly interval: Duration.Duration
  // Of the context of whoever came first nothing is kept, where they have only the clock in common.
  private readonly context: Context.Context<never> | undefined
  private readonly watched = new Map<StallTarget, Watch>()
  private fiber: Fiber.Fiber<void> | undefined = undefined

  constructor(timeout: Duration.Duration, context?: Context.Context<never>) {
    this.timeout = timeout
    this.nanos = BigInt(Math.ceil(Duration.toMillis(timeout) * 1e6))
    this.interval = Duration.millis(Math.max(1, Duration.toMillis(timeout) / TICKS))
    this.context = context
  }

  /** Watches a connection from now on, if it was not, until its message is complete. */
  watch(connection: StallTarget, context: Context.Context<never>): void {
    if (this.watched.has(connection)) return
    const shared = this.context ?? context
    const clock = Context.get(shared, Clock.Clock)
    this.watched.set(connection, { progress: connection.progress, since: clock.monotonicTimeNanosUnsafe() })
    this.fiber ??= Effect.runForkWith(shared)(this.run(clock))
  }

  remove(connection: StallTarget): void {
    if (!this.watched.delete(connection) || this.watched.size > 0 || this.fiber === undefined) return
    const { fiber } = this
    this.fiber = undefined
    Effect.runFork(Fiber.interrupt(fiber))
  }

  private run(clock: Clock.Clock): Effect.Effect<void> {
    const tick = Effect.andThen(
      Effect.sleep(this.interval),
      Effect.sync(() => this.tick(clock))
    )
    const loop: Effect.Effect<void> = Effect.flatMap(tick, (goesOn) => (goesOn ? loop : Effect.void))
    return loop
  }

  private tick(clock: Clock.Clock): boolean {
    const now = clock.monotonicTimeNanosUnsafe()
    for (const [connection, watch] of this.watched) {
      if (!connection.isReceiving) this.watched.delete(connection)
      else if (connection.isHeldUp || connection.progress !== watch.progress) {
        watch.progress = connection.progress
        watch.since = now
      } else if (now - watch.since >= this.nanos) {
        this.watched.delete(connection)
        connection.onStall()
      }
    }
    if (this.watched.size > 0) return true
    this.fiber = undefined
    return false
  }
}

// Mostly all want the same; connections that wanted something else before go on with theirs.
const byClock = new WeakMap<Clock.Clock, StallTimer>()
