/**
 * Keepalive for many connections with one fiber: a tick that counts for how long each has been silent.
 *
 * A timer for each connection would cost an idle one more than all the rest of it. Here it costs a number, which a chunk
 * sets back to zero, and a place in a set.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** What a heartbeat asks of a connection. */
export interface Beating {
  /** Ticks since the last byte of the peer. The connection sets it to 0, the heartbeat counts. */
  quiet: number
  /** Asks the peer for a sign of life. */
  onIdle(): void
  /** The peer gave none. */
  onSilence(): void
}

const TICKS = 4

export class Heartbeat {
  /** Makes one, or gives the one that others by the same clock have already. */
  static of(idle: Duration.Duration, timeout: Duration.Duration, clock: Clock.Clock | undefined): Heartbeat {
    if (clock === undefined) return new Heartbeat(idle, timeout)
    const latest = byClock.get(clock)
    if (latest !== undefined && Duration.equals(latest.idle, idle) && Duration.equals(latest.timeout, timeout)) {
      return latest
    }
    const heartbeat = new Heartbeat(idle, timeout, Context.make(Clock.Clock, clock))
    byClock.set(clock, heartbeat)
    return heartbeat
  }

  private readonly idle: Duration.Duration
  private readonly timeout: Duration.Duration
  // Of the context of whoever came first nothing is kept, where they have only the clock in common.
  private readonly context: Context.Context<never> | undefined
  private readonly interval: Duration.Duration
  private readonly idleTicks: number
  private readonly silenceTicks: number
  private readonly beating = new Set<Beating>()
  private fiber: Fiber.Fiber<void> | undefined = undefined

  constructor(idle: Duration.Duration, timeout: Duration.Duration, context?: Context.Context<never>) {
    this.idle = idle
    this.timeout = timeout
    this.context = context
    const millis = Math.max(1, Math.min(Duration.toMillis(idle), Duration.toMillis(timeout)) / TICKS)
    this.interval = Duration.millis(millis)
    this.idleTicks = Math.max(1, Math.round(Duration.toMillis(idle) / millis))
    this.silenceTicks = this.idleTicks + Math.max(1, Math.round(Duration.toMillis(timeout) / millis))
  }

  add(connection: Beating, context: Context.Context<never>): void {
    this.beating.add(connection)
    this.fiber ??= Effect.runForkWith(this.context ?? context)(
      Effect.forever(
        Effect.andThen(
          Effect.sleep(this.interval),
          Effect.sync(() => this.tick())
        )
      )
    )
  }

  remove(connection: Beating): void {
    if (!this.beating.delete(connection) || this.beating.size > 0 || this.fiber === undefined) return
    const fiber = this.fiber
    this.fiber = undefined
    Effect.runFork(Fiber.interrupt(fiber))
  }

  private tick(): void {
    for (const connection of this.beating) {
      connection.quiet++
      if (connection.quiet === this.idleTicks) connection.onIdle()
      else if (connection.quiet === this.silenceTicks) connection.onSilence()
    }
  }
}

// Mostly all want the same; connections that wanted something else before go on with theirs.
const byClock = new WeakMap<Clock.Clock, Heartbeat>()
