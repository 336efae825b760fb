/**
 * Keepalive: whether the peer still lives, and whether our own program does.
 *
 * Progress is life. After `interval` without a byte from the peer a ping asks it for a sign; no byte within `timeout` ends the
 * connection. That time starts when the system has taken the ping, starts again when blocked output moves, and after
 * blocked output allows for what the system still holds. Output that is blocked and does not move for `interval` and `timeout`
 * ends the connection, too. Silence while we do not read does not count; the pings go on, so that a reset is noticed.
 *
 * One fiber ticks for many connections: a timer for each would cost an idle one more than all the rest of it.
 */
import * as SharedTimer from "@effect-ws/transport/SharedTimer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { OutputProgress } from "./OutputProgress.ts"
import type { ObservedOutput } from "./OutputProgress.ts"

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
  private readonly watched = new Set<Watched>()

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
    this.watched.add(connection)
    this.start(Context.get(context, Clock.Clock))
  }

  remove(connection: Watched): void {
    if (this.watched.delete(connection)) this.stopSoon()
  }

  protected get isNeeded(): boolean {
    return this.watched.size > 0
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
    for (const connection of this.watched) connection.onTick(this.ticks)
  }
}

const latestOf = SharedTimer.latestOf<KeepaliveTimes, KeepaliveTimer>(
  (timer, times) => timer.hasTimes(times),
  (times) => new KeepaliveTimer(times)
)

// How much longer than `timeout` a pong may take for what the system holds: a bound for wrong estimates.
const MOST_BACKLOG = 10

/** What a connection has to do. */
export type Verdict = "ask" | "silent" | "stalled" | undefined

/** What is known of one peer. */
export class PeerWatch {
  /** Of the output, in milliseconds of ticks. */
  readonly progress = new OutputProgress()
  private now = 0
  // The number of the ping that waits for its pong, or 0.
  private ping = 0
  // What the system had taken when the ping was sent: a pong shows that the peer has read as much.
  private takenBefore = 0
  // Ticks since the system took the ping, or since there was other life.
  private waited = 0
  // Ticks since the last ping, while we do not read.
  private unread = 0

  tick(
    quiet: number,
    isReading: boolean,
    output: ObservedOutput & { readonly isBlocked: boolean },
    { interval, millis, timeout }: KeepaliveTicks
  ): Verdict {
    this.now += millis
    const moved = this.progress.look(output, this.now)
    if (this.progress.stalledFor(this.now) >= (interval + timeout) * millis) return "stalled"
    if (!isReading) {
      this.waited = 0
      // Reading may stop for a moment only, and each tick may find one.
      if (quiet <= 1) this.unread = 0
      if (++this.unread < interval) return undefined
      this.unread = 0
      return "ask"
    }
    this.unread = 0
    // A byte came since the last tick.
    if (quiet <= 1) this.ping = 0
    if (this.ping === 0) return quiet >= interval ? "ask" : undefined
    this.waited = moved || output.isBlocked || this.progress.isBlocked ? 0 : this.waited + 1
    const backlog = Math.min(this.progress.backlogMillis / millis, MOST_BACKLOG * timeout)
    return this.waited >= timeout + backlog ? "silent" : undefined
  }

  /** A ping was sent. */
  asked(ping: number, output: ObservedOutput): void {
    this.ping = ping
    this.takenBefore = output.takenBytes
    this.waited = 0
  }

  onPong(ping: number): void {
    if (this.ping === 0 || ping < this.ping) return
    this.progress.confirm(this.takenBefore)
  }
}
