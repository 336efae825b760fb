/**
 * Tracks the messages that the system has not taken yet, for callers that wait until it has.
 *
 * Bytes are counted from the beginning of the connection: a message is written when the transport has handed on as many
 * as there were up to its end.
 */
import * as Message from "@effect-ws/protocol/Message"
import { join } from "../receive/ReceiveQueue.ts"
import type { Joining } from "../receive/ReceiveQueue.ts"

interface Waiting {
  readonly message: Message.Message
  // Infinity while an extension is still working on it.
  end: number
}

export class FlushTracker {
  private waiting: Array<Waiting> = []
  // The message that is being sent in pieces.
  private joining: Joining | undefined = undefined

  /** A message was sent that ends at `end`, or at `Infinity` while an extension works on it. */
  add(data: string | Uint8Array, end: number): void {
    const message = typeof data === "string" ? Message.text(data) : Message.binary(data)
    this.waiting.push({ message, end })
  }

  /**
   * A piece of a message was sent: the first one says its type. The pieces are held until the last one, which ends at
   * `end`.
   */
  addPiece(type: Joining["type"], data: string | Uint8Array, last: boolean, end: number): void {
    this.joining ??= { type, pieces: [] }
    this.joining.pieces.push(data)
    if (!last) return
    this.waiting.push({ message: join(this.joining), end })
    this.joining = undefined
  }

  /** Tells that an extension is done with all of them, the last of which ends at `end`. */
  encoded(end: number): void {
    for (const waiting of this.waiting) waiting.end = Math.min(waiting.end, end)
  }

  /** Takes those that are written, when the transport has handed on so many bytes. */
  take(handedOn: number): ReadonlyArray<Message.Message> | undefined {
    const count = this.waiting.findIndex(({ end }) => end > handedOn)
    const done = this.waiting.splice(0, count === -1 ? this.waiting.length : count)
    return done.length === 0 ? undefined : done.map(({ message }) => message)
  }
}
