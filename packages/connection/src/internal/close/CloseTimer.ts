/**
 * The time that the end of a connection may take, from our close frame or the peer's to the end of the stream.
 *
 * The peer cannot answer a close frame that it cannot have yet: `closeTimeout` starts when the system has taken all
 * that was written. After blocked output it allows for what the system still holds, at the rate at which the peer read.
 * A longest time bounds the whole. What the peer says in place of an answer gives it no more time.
 */
import * as SharedTimeouts from "@effect-ws/transport/SharedTimeouts"
import type { TimeoutTarget } from "@effect-ws/transport/SharedTimeouts"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { WriteQueue } from "../send/WriteQueue.ts"

export class CloseTimer implements TimeoutTarget {
  private readonly closeTimeout: number
  private readonly latest: number
  private readonly clock: Clock.Clock
  private readonly queue: WriteQueue
  // The milliseconds that the peer may need for what the system holds.
  private readonly backlog: () => number
  private readonly context: Context.Context<never>
  private readonly expired: () => void
  private readonly timeout: SharedTimeouts.Timeout
  // Waits for the rest of the time if the peer may need more than `closeTimeout`.
  private fiber: Fiber.Fiber<void> | undefined = undefined
  // When `closeTimeout` started last.
  private startedAt: number

  /** Calls `expired` when the time is over. */
  constructor(
    closeTimeout: Duration.Duration,
    longest: Duration.Duration,
    context: Context.Context<never>,
    queue: WriteQueue,
    backlog: () => number,
    expired: () => void
  ) {
    this.context = context
    this.expired = expired
    this.closeTimeout = Duration.toMillis(closeTimeout)
    this.clock = Context.get(context, Clock.Clock)
    this.queue = queue
    this.backlog = backlog
    this.startedAt = this.now
    this.latest = this.now + Math.max(this.closeTimeout, Duration.toMillis(longest))
    // Nothing ends before `closeTimeout` has passed, and most peers have answered by then.
    this.timeout = SharedTimeouts.start(closeTimeout, this.clock, this)
  }

  expire(): void {
    this.fiber = Effect.runForkWith(this.context)(Effect.andThen(this.wait(), Effect.sync(this.expired)))
  }

  private get now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  /** Output may have moved. */
  look(): void {
    if (!this.queue.isFlushed) this.startedAt = this.now
  }

  stop(context: Context.Context<never>): void {
    this.timeout.stop()
    if (this.fiber !== undefined) Effect.runForkWith(context)(Fiber.interrupt(this.fiber))
  }

  private wait(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.look()
      const { now } = this
      const due = Math.min(this.latest, this.startedAt + this.closeTimeout + this.backlog())
      if (now >= due) return Effect.void
      // What has moved in between is seen at least that often.
      return Effect.andThen(Effect.sleep(Math.ceil(Math.min(due - now, this.closeTimeout))), this.wait())
    })
  }
}
