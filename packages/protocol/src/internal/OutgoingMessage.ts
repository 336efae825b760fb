/**
 * A message that this end sends in several calls: by fragments, which extensions transform, or by frames, which go to
 * the peer as they are. A session has none between messages.
 */
import type * as Opcode from "../Opcode.ts"

/** The message in progress. */
export class OutgoingMessage {
  readonly opcode: Opcode.Opcode
  /** Whether its frames are written by hand. They bypass the extensions. */
  readonly isRaw: boolean
  // The high surrogate at the end of the last fragment of text.
  private heldSurrogate = ""

  constructor(opcode: Opcode.Opcode, isRaw: boolean) {
    this.opcode = opcode
    this.isRaw = isRaw
  }

  /** Returns the text to send now. Keeps the first half of a surrogate pair for the next fragment. */
  wholeCharacters(data: string, last: boolean): string {
    const text = this.heldSurrogate + data
    this.heldSurrogate = ""
    const unit = text.charCodeAt(text.length - 1)
    if (last || !(unit >= 0xd800 && unit <= 0xdbff)) return text
    this.heldSurrogate = text.slice(-1)
    return text.slice(0, -1)
  }
}
