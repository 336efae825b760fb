/**
 * The deadline of messages that are not complete, for many connections with one fiber: a tick that looks whether each
 * message went on since the last one.
 *
 * A connection is watched from the first chunk that leaves a message incomplete. Nothing is kept for the others, and a
 * chunk costs no timer.
 */
import * as SharedTimer from "@effect-ws/transport/SharedTimer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

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

export class StallTimer extends SharedTimer.SharedTimer {
  /** Makes one, or gives the one that others by the same clock have already. */
  static of(timeout: Duration.Duration, clock: Clock.Clock | undefined): StallTimer | undefined {
    if (!Duration.isFinite(timeout)) return undefined
    return clock === undefined ? new StallTimer(timeout) : latestOf(timeout, clock)
  }

  readonly timeout: Duration.Duration
  private readonly nanos: bigint
  private readonly interval: Duration.Duration
  private readonly watched = new Map<StallTarget, Watch>()

  constructor(timeout: Duration.Duration) {
    super()
    this.timeout = timeout
    this.nanos = BigInt(Math.ceil(Duration.toMillis(timeout) * 1e6))
    this.interval = Duration.millis(Math.max(1, Duration.toMillis(timeout) / TICKS))
  }

  /** Watches a connection from now on, if it was not, until its message is complete. */
  watch(connection: StallTarget, context: Context.Context<never>): void {
    if (this.watched.has(connection)) return
    const clock = Context.get(context, Clock.Clock)
    this.watched.set(connection, { progress: connection.progress, since: clock.monotonicTimeNanosUnsafe() })
    this.start(clock)
  }

  remove(connection: StallTarget): void {
    if (this.watched.delete(connection)) this.stopSoon()
  }

  protected get isNeeded(): boolean {
    return this.watched.size > 0
  }

  protected run(): Effect.Effect<void> {
    const tick = Effect.andThen(
      Effect.sleep(this.interval),
      Clock.clockWith((clock) => Effect.sync(() => this.tick(clock)))
    )
    const loop: Effect.Effect<void> = Effect.flatMap(tick, () => (this.isNeeded ? loop : this.end))
    return loop
  }

  private tick(clock: Clock.Clock): void {
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
  }
}

const latestOf = SharedTimer.latestOf<Duration.Duration, StallTimer>(
  (timer, timeout) => Duration.equals(timer.timeout, timeout),
  (timeout) => new StallTimer(timeout)
)
