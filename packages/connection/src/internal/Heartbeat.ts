/**
 * Keepalive for many connections with one fiber: a tick that counts for how long each has been silent.
 *
 * A timer for each connection would cost an idle one more than all the rest of it. Here it costs a number, which a chunk
 * sets back to zero, and a place in a set.
 */
import type * as Context from "effect/Context"
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
  private readonly interval: Duration.Duration
  private readonly idleTicks: number
  private readonly silenceTicks: number
  private readonly beating = new Set<Beating>()
  private fiber: Fiber.Fiber<void> | undefined = undefined

  constructor(idle: Duration.Duration, timeout: Duration.Duration) {
    const millis = Math.max(1, Math.min(Duration.toMillis(idle), Duration.toMillis(timeout)) / TICKS)
    this.interval = Duration.millis(millis)
    this.idleTicks = Math.max(1, Math.round(Duration.toMillis(idle) / millis))
    this.silenceTicks = this.idleTicks + Math.max(1, Math.round(Duration.toMillis(timeout) / millis))
  }

  add(connection: Beating, context: Context.Context<never>): void {
    this.beating.add(connection)
    this.fiber ??= Effect.runForkWith(context)(
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
