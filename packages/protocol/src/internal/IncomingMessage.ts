/**
 * The message that a peer is sending: counts its frames and bytes against the limits, checks its text, and delivers it
 * whole or by fragments.
 *
 * A reader has one from the first frame of a message on, and gives it back when its chunk ends between two messages.
 */
import type * as Limits from "../Limits.ts"
import * as Opcode from "../Opcode.ts"
import * as ProtocolViolation from "../ProtocolViolation.ts"
import type * as SessionEvent from "../SessionEvent.ts"
import * as Utf8 from "../Utf8.ts"
import { PayloadBuffer } from "./PayloadBuffer.ts"
import type { ReadMode } from "./SessionOptions.ts"

type Violation = ProtocolViolation.ProtocolViolation

/** The message in progress, or none between messages. */
export class IncomingMessage {
  /** The opcode of the message, or 0 if there is none. */
  opcode: Opcode.Opcode = 0
  /** The RSV bits of the first frame that no extension has decoded yet. */
  rsv = 0
  /** How the message is delivered. */
  mode: ReadMode = "message"
  /** Whether no part of the message has been received. */
  isFirst = false
  /** Bytes of payload so far, after the extensions. */
  size = 0

  private fragments = 0
  private wireSize = 0
  private collected: PayloadBuffer | undefined = undefined
  private validator: Utf8.Validator | undefined = undefined
  private decoder: TextDecoder | undefined = undefined

  begin(opcode: Opcode.Opcode, rsv: number, mode: ReadMode): void {
    this.opcode = opcode
    this.rsv = rsv
    this.mode = mode
    this.isFirst = true
    this.size = 0
    this.fragments = 0
    this.wireSize = 0
  }

  /** Ends the message: what follows is another one. */
  end(): void {
    this.opcode = 0
  }

  /** Bytes of memory that hold parts of the message. */
  get heldBytes(): number {
    return this.collected?.heldBytes ?? 0
  }

  /** Whether it refers to bytes that it was given. */
  get keepsInput(): boolean {
    return this.collected?.keepsInput === true
  }

  /** Counts a frame of the message, from its header. */
  addFrame(length: number, { maxFragments, maxMessageSize }: Limits.Limits): Violation | undefined {
    if (++this.fragments > maxFragments) {
      return ProtocolViolation.make("TooManyFragments", `more than ${maxFragments} fragments`)
    }
    this.wireSize += length
    // A message with RSV bits may expand: its size is checked after the extensions.
    return this.rsv === 0 && this.wireSize > maxMessageSize ? tooBig(this.wireSize, maxMessageSize) : undefined
  }

  /**
   * Adds a decoded part of the payload, and delivers what is complete. `following` is how many more bytes of the message
   * will come, or 0 if that is not known. A message that spans parts is put together in memory of `allocate`.
   */
  add(
    payload: Uint8Array,
    last: boolean,
    following: number,
    { maxMessageSize }: Limits.Limits,
    allocate: (size: number) => Uint8Array,
    events: Array<SessionEvent.SessionEvent>
  ): Violation | undefined {
    const first = this.isFirst
    this.isFirst = false
    this.size += payload.length
    if (this.size > maxMessageSize) return tooBig(this.size, maxMessageSize)
    const isFragment = this.mode === "fragment"
    // The common case: a message in one frame in one chunk.
    if (first && last && !isFragment) return this.deliverWhole(payload, events)
    const violation = this.checkText(payload, last)
    if (violation !== undefined) return violation
    if (isFragment) {
      this.deliverFragment(payload, first, last, events)
      if (last) this.end()
      return undefined
    }
    this.collected ??= new PayloadBuffer(allocate)
    this.collected.append(payload, following)
    if (!last) return undefined
    const whole = this.collected.take()
    this.collected = undefined
    return this.deliverWhole(whole, events)
  }

  /** Delivers the rest of a message by fragments; the bytes so far are its first fragment. */
  continueAsFragments(events: Array<SessionEvent.SessionEvent>): void {
    this.mode = "fragment"
    const { collected } = this
    this.collected = undefined
    if (collected !== undefined) this.deliverFragment(collected.take(), true, false, events)
  }

  // RFC 6455 8.1: invalid UTF-8 fails the connection. The check fails at the first byte that no UTF-8 can have there.
  checkText(payload: Uint8Array, last: boolean): Violation | undefined {
    if (this.opcode !== Opcode.Text) return undefined
    this.validator ??= new Utf8.Validator()
    const at = this.validator.push(payload)
    if (at >= 0) {
      return ProtocolViolation.make("InvalidUtf8", `byte 0x${payload[at]!.toString(16).padStart(2, "0")} in a text`)
    }
    const isComplete = this.validator.isComplete
    if (last) this.validator = undefined
    return last && !isComplete
      ? ProtocolViolation.make("InvalidUtf8", "a text that ends in the middle of a character")
      : undefined
  }

  private deliverWhole(payload: Uint8Array, events: Array<SessionEvent.SessionEvent>): Violation | undefined {
    const { opcode } = this
    this.end()
    if (opcode === Opcode.Binary) {
      events.push({ _tag: "Binary", data: payload })
      return undefined
    }
    const data = Utf8.decode(payload)
    if (data === undefined) return ProtocolViolation.make("InvalidUtf8", "a text with bytes that are not UTF-8")
    events.push({ _tag: "Text", data })
    return undefined
  }

  private deliverFragment(
    payload: Uint8Array,
    first: boolean,
    last: boolean,
    events: Array<SessionEvent.SessionEvent>
  ): void {
    if (this.opcode === Opcode.Binary) {
      events.push({ _tag: "Fragment", type: "Binary", data: payload, first, last })
      return
    }
    // The decoder keeps the bytes of a character that the next fragment completes.
    this.decoder ??= new TextDecoder("utf-8", { ignoreBOM: true })
    events.push({ _tag: "Fragment", type: "Text", data: this.decoder.decode(payload, { stream: !last }), first, last })
  }
}

const tooBig = (size: number, max: number): Violation =>
  ProtocolViolation.make("MessageTooBig", `a message of ${size} bytes or more, the limit is ${max}`)
