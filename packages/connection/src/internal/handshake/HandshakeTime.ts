/**
 * The time of one handshake that begins before there is a socket to do the handshake on: while TLS is set up. One
 * deadline covers both, so that their times do not add up.
 */
import type { SharedTimeouts, Timeout, TimeoutTarget } from "@effect-ws/transport/SharedTimeouts"

export class HandshakeTime implements TimeoutTarget {
  /** The handshake, once there is a socket. */
  handshake: TimeoutTarget | undefined = undefined
  /** Whether the client has sent anything before the handshake began. */
  hasSent = false
  private readonly deadline: Timeout
  private readonly onExpire: () => void

  /** `onExpire` runs where the time is over before there is a socket. */
  constructor(deadlines: SharedTimeouts, onExpire: () => void) {
    this.onExpire = onExpire
    this.deadline = deadlines.add(this)
  }

  stop(): void {
    this.deadline.stop()
  }

  expire(): void {
    if (this.handshake === undefined) this.onExpire()
    else this.handshake.expire()
  }
}
