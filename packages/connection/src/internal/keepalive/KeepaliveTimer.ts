/**
 * The timer of the keepalive: one fiber ticks for many connections, since a timer for each would cost an idle
 * connection more memory than everything else together. What a connection does at a tick is in `ConnectionKeepalive`.
 */
import * as SharedTimer from "@effect-ws/transport/SharedTimer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** The times of the keepalive in ticks; `Infinity` where one is switched off. */
export interface KeepaliveTicks {
  readonly interval: number
  readonly timeout: number
  /** How long a program may take nothing of what waits for it. */
  readonly stall: number
  /** Milliseconds of a tick. */
  readonly millis: number
}

/** A connection as the keepalive sees it. */
export interface Watched {
  /** Position in the timer's list; -1 while it is not watched. Only the timer sets it. */
  watchedAt: number
  /** A tick has passed. */
  onTick(ticks: KeepaliveTicks): void
}

/** What is to be kept alive, and how. */
export interface KeepaliveTimes {
  readonly interval: Duration.Duration
  readonly timeout: Duration.Duration
  readonly stall: Duration.Duration
}

// A time is kept to within a quarter of the shortest.
const TICKS = 4

/** The tick that connections share. */
export class KeepaliveTimer extends SharedTimer.SharedTimer {
  /** Makes one, or gives the one that others by the same clock have already. */
  static of(times: KeepaliveTimes, clock: Clock.Clock | undefined): KeepaliveTimer {
    return clock === undefined ? new KeepaliveTimer(times) : latestOf(times, clock)
  }

  private readonly times: KeepaliveTimes
  private readonly ticks: KeepaliveTicks
  // Not a `Set`, for the reason that `LinkedList` gives. The order does not matter, and an array takes less memory.
  private readonly watched: Array<Watched> = []

  constructor(times: KeepaliveTimes) {
    super()
    this.times = times
    const [interval, timeout, stall] = [times.interval, times.timeout, times.stall].map(Duration.toMillis) as [
      number,
      number,
      number
    ]
    const millis = Math.max(1, Math.min(interval, timeout, stall) / TICKS)
    const count = (time: number): number => Math.max(1, Math.round(time / millis))
    this.ticks = { interval: count(interval), timeout: count(timeout), stall: count(stall), millis }
  }

  hasTimes(times: KeepaliveTimes): boolean {
    return (
      Duration.equals(this.times.interval, times.interval) &&
      Duration.equals(this.times.timeout, times.timeout) &&
      Duration.equals(this.times.stall, times.stall)
    )
  }

  add(connection: Watched, context: Context.Context<never>): void {
    if (this.ticks.millis === Infinity) return
    if (connection.watchedAt !== -1) return
    connection.watchedAt = this.watched.push(connection) - 1
    this.start(Context.get(context, Clock.Clock))
  }

  remove(connection: Watched): void {
    const at = connection.watchedAt
    if (at === -1) return
    connection.watchedAt = -1
    const last = this.watched.pop()!
    if (last !== connection) {
      this.watched[at] = last
      last.watchedAt = at
    }
    this.stopSoon()
  }

  protected get isNeeded(): boolean {
    return this.watched.length > 0
  }

  protected run(): Effect.Effect<void> {
    return Effect.forever(
      Effect.andThen(
        Effect.sleep(this.ticks.millis),
        Effect.sync(() => this.tick())
      )
    )
  }

  private tick(): void {
    // A tick may end its connection and others, which changes the array.
    for (const connection of this.watched.slice()) if (connection.watchedAt !== -1) connection.onTick(this.ticks)
  }
}

const latestOf = SharedTimer.latestOf<KeepaliveTimes, KeepaliveTimer>(
  (timer, times) => timer.hasTimes(times),
  (times) => new KeepaliveTimer(times)
)
