/**
 * The pings of a connection that wait for their pong, and the round-trip time that the last one showed.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import * as Duration from "effect/Duration"

interface Pending {
  readonly sentAt: bigint
  readonly succeed: (roundTrip: Duration.Duration) => void
  readonly fail: (error: CloseError.CloseError) => void
}

const ignore = (): void => {}

export class Pings {
  latency: Duration.Duration | undefined = undefined
  private readonly pending = new Map<number, Pending>()

  add(id: number, sentAt: bigint, succeed: Pending["succeed"] = ignore, fail: Pending["fail"] = ignore): void {
    this.pending.set(id, { sentAt, succeed, fail })
  }

  delete(id: number): void {
    this.pending.delete(id)
  }

  /** Gives the round-trip time of the newest ping that somebody waited for. */
  onPong(newest: number, now: bigint): Duration.Duration | undefined {
    let roundTrip: Duration.Duration | undefined = undefined
    for (const [id, ping] of this.pending) {
      // RFC 6455 5.5.3: a pong answers the newest ping, and with it the ones before.
      if (id > newest) break
      this.pending.delete(id)
      roundTrip = Duration.nanos(now - ping.sentAt)
      this.latency = roundTrip
      ping.succeed(roundTrip)
    }
    return roundTrip
  }

  failAll(error: CloseError.CloseError): void {
    for (const ping of this.pending.values()) ping.fail(error)
    this.pending.clear()
  }
}
