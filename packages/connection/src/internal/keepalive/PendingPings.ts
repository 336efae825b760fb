/**
 * The pings of a connection that wait for their pong, and the round-trip time that the last one showed.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import { callEach } from "@effect-ws/transport/internal"
import * as Duration from "effect/Duration"

interface Pending {
  readonly sentAt: bigint
  readonly succeed: (roundTrip: Duration.Duration) => void
  readonly fail: (error: CloseError.CloseError) => void
}

export class PendingPings {
  latency: Duration.Duration | undefined = undefined
  // The newest ping of the keepalive: a pong that answers it answers those before, so no more are kept.
  private asked = 0
  private askedAt = 0n
  // Those that a program waits for.
  private awaited: Map<number, Pending> | undefined = undefined

  /** The keepalive sent a ping. */
  ask(id: number, sentAt: bigint): void {
    this.asked = id
    this.askedAt = sentAt
  }

  add(id: number, pending: Pending): void {
    this.awaited ??= new Map()
    this.awaited.set(id, pending)
  }

  delete(id: number): void {
    this.awaited?.delete(id)
  }

  /**
   * Completes the pings that a pong answers, and returns the round-trip time of the newest. If completing a ping
   * throws, this throws the same, and the pings after it stay pending.
   */
  onPong(newest: number, now: bigint): Duration.Duration | undefined {
    // RFC 6455 5.5.3: a pong answers the newest ping, and with it the ones before.
    let roundTrip: Duration.Duration | undefined = undefined
    let answered = 0
    if (this.asked !== 0 && this.asked <= newest) {
      answered = this.asked
      roundTrip = Duration.nanos(now - this.askedAt)
      this.latency = roundTrip
      this.asked = 0
    }
    if (this.awaited !== undefined) {
      for (const [id, ping] of this.awaited) {
        if (id > newest) break
        this.awaited.delete(id)
        const own = Duration.nanos(now - ping.sentAt)
        // That of an older ping contains the time until the newer one was sent.
        if (id > answered) {
          roundTrip = own
          // The program that waits for it may look at once.
          this.latency = own
        }
        ping.succeed(own)
      }
    }
    return roundTrip
  }

  /** Fails all that wait. Throws what one of them threw, when all have failed. */
  failAll(error: CloseError.CloseError): void {
    const { awaited } = this
    this.awaited = undefined
    if (awaited !== undefined) callEach(awaited.values(), (ping) => ping.fail(error))
  }
}
