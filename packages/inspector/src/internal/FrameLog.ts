/**
 * The last frames of one connection, both ways, with as much of their payloads as the options allow.
 *
 * Payloads are copied here, unmasked. What an extension has compressed says nothing to a reader, so such a message has
 * its content, as the program got or gave it, at its last frame. Messages are numbered in each direction, which is how
 * a content finds its frame: an extension may take its time.
 */
import * as CloseFrame from "@effect-ws/protocol/CloseFrame"
import * as Mask from "@effect-ws/protocol/Mask"
import * as Opcode from "@effect-ws/protocol/Opcode"
import * as Result from "effect/Result"
import type { FrameVisitor } from "./FrameScanner.ts"

/** A frame as it was seen. */
export interface LoggedFrame {
  /** Counts the frames of this log from 0. */
  readonly number: number
  /** Milliseconds since the connection opened. */
  readonly at: number
  readonly from: "peer" | "server"
  /** The first byte of the header: FIN, RSV bits and opcode. */
  readonly first: number
  readonly masked: boolean
  readonly length: number
  /** The payload from its beginning, unmasked, as far as it is kept. */
  payload: Uint8Array | undefined
  /** Of a compressed message, at its last frame: what it says, as far as it is kept. */
  content: string | Uint8Array | undefined
  /** Whether `content` is all that the message says. */
  isWhole: boolean
  /** The rule that this frame broke. */
  violation: string | undefined
}

/** The bounds of a log. */
export interface LogBounds {
  readonly maxFrames: number
  readonly maxBytes: number
  /** How much of a payload is kept; 0 is nothing. */
  readonly payloadBytes: number
}

export class FrameLog {
  readonly incoming: DirectionLog
  readonly outgoing: DirectionLog
  /** Whether the connection was seen from its opening on. */
  readonly fromOpening: boolean
  readonly bounds: LogBounds
  readonly now: () => number
  /** The number of the next frame. */
  next = 0
  private frames: Array<LoggedFrame> = []
  private bytes = 0

  constructor(bounds: LogBounds, fromOpening: boolean, now: () => number) {
    this.bounds = bounds
    this.fromOpening = fromOpening
    this.now = now
    this.incoming = new DirectionLog(this, "peer")
    this.outgoing = new DirectionLog(this, "server")
  }

  /** The frames from a number on that are still kept, oldest first. */
  from(number: number): ReadonlyArray<LoggedFrame> {
    const first = this.frames[0]?.number ?? this.next
    return this.frames.slice(Math.max(0, number - first))
  }

  /** The frames that gave way to newer ones. */
  get dropped(): number {
    return this.next - this.frames.length
  }

  add(frame: LoggedFrame): void {
    this.next++
    this.frames.push(frame)
    this.bytes += sizeOf(frame)
    this.trim()
  }

  /** A frame's payload or content has grown. */
  grew(bytes: number): void {
    this.bytes += bytes
    this.trim()
  }

  private trim(): void {
    const { maxBytes, maxFrames } = this.bounds
    let gone = 0
    while (this.frames.length - gone > 1 && (this.frames.length - gone > maxFrames || this.bytes > maxBytes)) {
      this.bytes -= sizeOf(this.frames[gone++]!)
    }
    // A large log drops many frames at a time, because each cut copies the rest.
    if (gone > 0) this.frames.splice(0, gone)
  }
}

const sizeOf = ({ content, payload }: LoggedFrame): number => (payload?.length ?? 0) + (content?.length ?? 0)

/** What can wait for its frame, or for its content. */
const MOST_WAITING = 1024

export class DirectionLog implements FrameVisitor {
  private readonly log: FrameLog
  private readonly from: LoggedFrame["from"]
  private current: LoggedFrame | undefined = undefined
  private key: Uint8Array | undefined = undefined
  private seen = 0
  // Whether the message that is under way is compressed, by the RSV bits of its first frame.
  private compressed = false
  // By the number of the message: its last frame, or its content, whichever came first.
  private readonly waiting = new Map<number, LoggedFrame>()
  private readonly contents = new Map<number, string | Uint8Array>()
  /** The number of the message that is under way. */
  message = 0

  constructor(log: FrameLog, from: LoggedFrame["from"]) {
    this.log = log
    this.from = from
  }

  begin(first: number, length: number, key: Uint8Array | undefined): void {
    const { log } = this
    const { payloadBytes } = log.bounds
    const opcode = first & 0x0f
    const kept = opcode === Opcode.Close ? 125 : payloadBytes
    const isData = opcode <= Opcode.Binary
    if (isData && opcode !== Opcode.Continuation) this.compressed = (first & 0x70) !== 0
    const isPlain = !(isData && this.compressed)
    this.key = key
    this.seen = 0
    this.current = {
      number: log.next,
      at: log.now(),
      from: this.from,
      first,
      masked: key !== undefined,
      length,
      payload: isPlain && kept > 0 ? new Uint8Array(Math.min(length, kept)) : undefined,
      content: undefined,
      isWhole: false,
      violation: undefined
    }
    log.add(this.current)
    if (!isData || first < 0x80) return
    const number = this.message++
    if (isPlain || payloadBytes === 0) return
    const content = this.contents.get(number)
    if (content !== undefined) this.fill(this.current, content)
    else if (this.waiting.size < MOST_WAITING) this.waiting.set(number, this.current)
    for (const old of this.contents.keys()) if (old <= number) this.contents.delete(old)
  }

  payload(part: Uint8Array): void {
    const payload = this.current?.payload
    if (payload !== undefined) {
      const { key, seen } = this
      const end = Math.min(part.length, payload.length - seen)
      if (end > 0) payload.set(part.subarray(0, end), seen)
      if (end > 0 && key !== undefined) {
        Mask.applyInPlace(payload, seen, seen + end, Mask.advance(Mask.keyFromBytes(key), seen))
      }
    }
    this.seen += part.length
  }

  end(): void {
    this.key = undefined
  }

  /** The content of a message, which may be before or after its frames. */
  told(number: number, content: string | Uint8Array): void {
    const frame = this.waiting.get(number)
    if (frame !== undefined) {
      this.waiting.delete(number)
      this.fill(frame, content)
    } else if (number >= this.message && this.contents.size < MOST_WAITING) {
      // The program may change the bytes once they are sent.
      this.contents.set(number, typeof content === "string" ? content : content.slice(0, this.log.bounds.payloadBytes))
    }
  }

  private fill(frame: LoggedFrame, content: string | Uint8Array): void {
    const { payloadBytes } = this.log.bounds
    frame.content = content.slice(0, payloadBytes)
    frame.isWhole = content.length < payloadBytes
    this.log.grew(frame.content.length)
  }

  /** The last frame broke a rule. */
  violated(rule: string): void {
    if (this.current !== undefined) this.current.violation = rule
  }
}

/** Names for a close frame's payload, which is never hidden: the record of the close says the same. */
export const describeClose = (payload: Uint8Array): string => {
  const close = CloseFrame.decode(payload)
  if (Result.isFailure(close)) return "invalid"
  const { code, reason } = close.success
  return code === undefined ? "no code" : reason === "" ? String(code) : `${code} ${reason}`
}
