/**
 * Bounds how many handshakes a server decides per second, for the time after a deploy in which the clients of other
 * nodes come to a new one. A handshake that comes too early waits for its turn for a short time. One whose turn is
 * later than that is refused with 503, and its `Retry-After` spreads the clients that honour it over the time that they
 * will take.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import * as Argument from "@effect-ws/protocol/Argument"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as Monotonic from "@effect-ws/transport/Monotonic"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Longest wait of a handshake, in milliseconds, however long `handshakeTimeout` is. */
const longestWait = 1000

/**
 * Handshakes that come together need not wait if they are no more than the rate allows in this time, in milliseconds.
 */
const burst = 100

/** Longest `Retry-After`, in milliseconds. */
const longestRetry = 60_000

export class HandshakeRate {
  private readonly interval: number
  private readonly longestWait: number
  private readonly clock: Clock.Clock
  /** When the next handshake has its turn. */
  private next = Number.NEGATIVE_INFINITY
  /** The time at which the client that was rejected last should connect again. */
  private later = Number.NEGATIVE_INFINITY

  constructor(perSecond: number, handshakeTimeout: Duration.Input | undefined, clock: Clock.Clock) {
    this.interval = 1000 / Argument.limit("maxHandshakesPerSecond", perSecond, 1)
    const timeout = Argument.duration("handshakeTimeout", handshakeTimeout ?? "10 seconds")
    this.longestWait = Math.min(longestWait, Duration.toMillis(timeout) / 2)
    this.clock = clock
  }

  /** Decides when it is the handshake's turn. */
  pace<R>(decide: Accept.Decide<R>): Accept.Decide<R> {
    return (request) => {
      const now = Monotonic.millisUnsafe(this.clock)
      const turn = Math.max(this.next, now - burst)
      const wait = Math.max(0, turn - now)
      if (wait > this.longestWait) return this.refuse(now, turn)
      this.next = turn + this.interval
      return wait === 0
        ? decide(request)
        : Effect.andThen(
            Effect.sleep(wait),
            Effect.suspend(() => decide(request))
          )
    }
  }

  private refuse(now: number, turn: number): Effect.Effect<never, HandshakeRejection.HandshakeRejection> {
    this.later = Math.min(Math.max(this.later, turn) + this.interval, now + longestRetry)
    return Effect.fail(
      new HandshakeRejection.HandshakeRejection({
        rule: "Overloaded",
        status: 503,
        headers: { "Retry-After": String(Math.ceil((this.later - now) / 1000)) },
        reason: "too many handshakes per second"
      })
    )
  }
}
