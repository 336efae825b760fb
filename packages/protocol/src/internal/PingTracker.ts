/**
 * The pings of one end that wait for their pongs, and the control frames that a backed-up transport delays.
 *
 * RFC 6455 5.5.3 lets an endpoint answer only the newest ping, and a pong answers every earlier ping with it. So while
 * the transport is backed up, one ping and one pong are enough: newer ones replace them, and a peer that floods us with
 * pings cannot fill our output.
 */
import * as Utf8 from "../Utf8.ts"

/** Numbers pings and matches pongs to them. */
export class PingTracker {
  /** The newest ping that the transport delays. */
  delayedPing: Uint8Array | undefined = undefined
  /** The answer to the newest ping of the peer that the transport delays. */
  delayedPong: Uint8Array | undefined = undefined

  private last = 0
  private waiting: Array<{ readonly id: number; readonly payload: Uint8Array }> | undefined = undefined

  /** Returns the payload of the next ping: the caller's, copied, or its number. */
  payloadOf(payload: Uint8Array | undefined): Uint8Array {
    // Not `slice`: for a Node `Buffer` that is a view.
    return payload === undefined ? Utf8.encode(String(this.last + 1)) : new Uint8Array(payload)
  }

  /** Records a ping and returns its number. Forgets the oldest ping if more than `max` wait. */
  sent(payload: Uint8Array, max: number): number {
    const id = ++this.last
    this.waiting ??= []
    this.waiting.push({ id, payload })
    if (this.waiting.length > max) this.waiting.shift()
    return id
  }

  /** Returns the number of the newest ping that a pong answers, and forgets it with all earlier ones. */
  answered(payload: Uint8Array): number | undefined {
    const waiting = this.waiting
    if (waiting === undefined) return undefined
    for (let at = waiting.length - 1; at >= 0; at--) {
      if (sameBytes(waiting[at]!.payload, payload)) {
        const { id } = waiting[at]!
        waiting.splice(0, at + 1)
        return id
      }
    }
    return undefined
  }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])
