/**
 * The messages that were sent and that the system does not have yet, for those who want to know when it does.
 *
 * Bytes are counted from the beginning of the connection: a message is written when the transport has handed on as many
 * as there were up to its end.
 */
import * as Message from "@effect-ws/protocol/Message"
import type { Session } from "@effect-ws/protocol/Session"

interface Waiting {
  readonly message: Message.Message
  // Infinity while an extension is still working on it.
  end: number
}

export class Unwritten {
  /** How many bytes the transport was given. */
  written = 0

  private waiting: Array<Waiting> = []

  add(data: string | Uint8Array, session: Session): void {
    const message = typeof data === "string" ? Message.text(data) : Message.binary(data)
    this.waiting.push({ message, end: session.pendingEncode === undefined ? this.endOf(session) : Infinity })
  }

  /** Tells that an extension is done with some of them. */
  encoded(session: Session): void {
    if (session.pendingEncode !== undefined) return
    const end = this.endOf(session)
    for (const waiting of this.waiting) waiting.end = Math.min(waiting.end, end)
  }

  /** Takes those that are written, when the transport has still to hand on `pendingBytes`. */
  take(pendingBytes: number): ReadonlyArray<Message.Message> | undefined {
    const handedOn = this.written - pendingBytes
    const count = this.waiting.findIndex(({ end }) => end > handedOn)
    const done = this.waiting.splice(0, count === -1 ? this.waiting.length : count)
    return done.length === 0 ? undefined : done.map(({ message }) => message)
  }

  private endOf(session: Session): number {
    return this.written + session.output.pendingBytes
  }
}
