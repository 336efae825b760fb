/**
 * The frame parser: splits received bytes into frames, wherever the chunks begin and end.
 *
 * It has two interfaces. `push` returns complete frames as plain data, for tools and tests. The cursor (`feed`,
 * `readHeader`, `readPart`) returns a header as soon as it is complete and payload as it arrives, without an object for
 * each frame. The session uses the cursor, so that it can reject a frame by its header, check UTF-8 before a frame is
 * complete, and stream.
 *
 * The parser owns the chunks that it is fed: it unmasks payloads in place, and returns views into them. A payload that
 * lies within one chunk is never copied. The parser checks only the encoding of lengths; whether a frame is allowed is
 * decided by the session.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Argument from "./Argument.ts"
import { PayloadBuffer } from "./internal/PayloadBuffer.ts"
import type * as Frame from "./Frame.ts"
import * as Mask from "./Mask.ts"
import type * as Opcode from "./Opcode.ts"
import * as ProtocolViolation from "./ProtocolViolation.ts"

/**
 * Options of a frame parser.
 *
 * @category models
 * @since 0.1.0
 */
export interface FrameParserOptions {
  /** Maximum payload bytes of a frame that `push` accepts. Default: 16 MiB. */
  readonly maxFrameSize?: number | undefined
}

const empty = new Uint8Array(0)
const LONGEST_HEADER = 14
const TWO_TO_32 = 2 ** 32

/**
 * Cuts a byte stream into frames.
 *
 * **Gotchas**
 *
 * The parser writes to the chunks it is fed, and payloads are views into them: do not reuse a chunk. After a violation
 * the parser cannot be used again.
 *
 * @category models
 * @since 0.1.0
 */
export class FrameParser {
  // The header of the current frame; valid after `readHeader` returned true, until the payload is read.
  /** Whether the current frame is the last of its message. */
  fin = false
  /** The RSV bits of the current frame, as bits of its first byte: 0x40, 0x20, 0x10. */
  rsv = 0
  /** The opcode of the current frame. */
  opcode: Opcode.Opcode = 0
  /** Whether the current frame is masked. */
  masked = false
  /** The masking key of the current frame, packed as module `Mask` does; 0 if it is not masked. */
  key = 0
  /** The payload length in the current frame's header. */
  length = 0

  private chunk: Uint8Array = empty
  private at = 0
  private inPayload = false
  private consumed = 0

  // Collects a header that spans chunks. Allocated only then, since most connections never need it.
  private carry: Uint8Array | undefined = undefined
  private carried = 0

  private assembly: PayloadBuffer | undefined = undefined
  private violation: ProtocolViolation.ProtocolViolation | undefined = undefined
  private readonly maxFrameSize: number

  constructor(options?: FrameParserOptions) {
    this.maxFrameSize = Argument.limit("maxFrameSize", options?.maxFrameSize ?? 16 * 1024 * 1024)
  }

  /** Takes the next chunk. The previous one must have been read to its end. */
  feed(chunk: Uint8Array): void {
    this.chunk = chunk
    this.at = 0
  }

  /** Drops the rest of the current chunk, and the reference to it. */
  discard(): void {
    this.chunk = empty
    this.at = 0
  }

  /** Whether the current chunk has unread bytes. */
  get hasInput(): boolean {
    return this.at < this.chunk.length
  }

  /** Whether a header was read and its payload not to the end. */
  get isInPayload(): boolean {
    return this.inPayload
  }

  /** Whether the parser is between two frames and has no bytes of the next one. */
  get isIdle(): boolean {
    return !this.inPayload && this.carried === 0
  }

  /** Unread payload bytes of the current frame. */
  get remaining(): number {
    return this.inPayload ? this.length - this.consumed : 0
  }

  /**
   * Reads the next header into the fields above. Returns false if it is not complete, and a violation if its length is
   * encoded against RFC 6455.
   */
  readHeader(): boolean | ProtocolViolation.ProtocolViolation {
    if (this.carried > 0) return this.readCarriedHeader()
    const available = this.chunk.length - this.at
    if (available >= 2) {
      const size = headerSize(this.chunk[this.at + 1]!)
      if (available >= size) {
        const violation = this.decodeHeader(this.chunk, this.at)
        this.at += size
        return violation ?? true
      }
    }
    if (available > 0) {
      this.carry ??= new Uint8Array(LONGEST_HEADER)
      this.carry.set(this.chunk.subarray(this.at))
      this.carried = available
    }
    this.discard()
    return false
  }

  private readCarriedHeader(): boolean | ProtocolViolation.ProtocolViolation {
    const carry = this.carry!
    for (;;) {
      const size = this.carried < 2 ? 2 : headerSize(carry[1]!)
      while (this.carried < size && this.at < this.chunk.length) carry[this.carried++] = this.chunk[this.at++]!
      if (this.carried < size) {
        this.discard()
        return false
      }
      if (size === headerSize(carry[1]!)) break
    }
    this.carried = 0
    return this.decodeHeader(carry, 0) ?? true
  }

  private decodeHeader(bytes: Uint8Array, offset: number): ProtocolViolation.ProtocolViolation | undefined {
    // RFC 6455 5.2: FIN, RSV1-3 and the opcode; then MASK and the length in 7, 7+16 or 7+64 bits; then the key.
    const first = bytes[offset]!
    const second = bytes[offset + 1]!
    this.fin = (first & 0x80) !== 0
    this.rsv = first & 0x70
    this.opcode = first & 0x0f
    this.masked = (second & 0x80) !== 0
    let at = offset + 2
    let length = second & 0x7f
    if (length === 126) {
      length = (bytes[at]! << 8) | bytes[at + 1]!
      at += 2
      // RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length"
      if (length < 126) return ProtocolViolation.make("NonMinimalLength", `a length of ${length} in 16 bits`)
    } else if (length === 127) {
      const high = uint32(bytes, at)
      length = high * TWO_TO_32 + uint32(bytes, at + 4)
      at += 8
      // RFC 6455 5.2: "the most significant bit MUST be 0"
      if (high >= 0x80000000) return ProtocolViolation.make("LengthTopBitSet", "a 64-bit length with its top bit set")
      if (length < 65536) return ProtocolViolation.make("NonMinimalLength", `a length of ${length} in 64 bits`)
    }
    this.length = length
    this.key = this.masked ? Mask.keyFromBytes(bytes, at) : 0
    this.inPayload = true
    this.consumed = 0
    return undefined
  }

  /**
   * Returns the part of the current payload that has arrived and was not read yet, unmasked, as a view; `undefined`
   * when nothing has. The payload is complete when {@link remaining} is 0, which a payload of no bytes is at once.
   */
  readPart(): Uint8Array | undefined {
    const wanted = this.length - this.consumed
    const start = this.at
    const available = this.chunk.length - start
    if (available >= wanted) {
      this.at = start + wanted
      this.inPayload = false
    } else {
      if (available === 0) return undefined
      this.at = this.chunk.length
    }
    const end = this.at
    if (this.key !== 0) {
      Mask.applyInPlace(this.chunk, start, end, Mask.advance(this.key, this.consumed))
    }
    this.consumed += end - start
    // Plain bytes, even if the chunk is a Node `Buffer`: its `slice` does not copy.
    return new Uint8Array(this.chunk.buffer, this.chunk.byteOffset + start, end - start)
  }

  /**
   * Takes a chunk and returns the frames that it completes, or the violation that makes the stream unreadable.
   *
   * **Details**
   *
   * Frames before a violation are returned first; the next call returns the violation.
   */
  push(chunk: Uint8Array): Result.Result<ReadonlyArray<Frame.Frame>, ProtocolViolation.ProtocolViolation> {
    if (this.violation !== undefined) return Result.fail(this.violation)
    this.feed(chunk)
    const frames: Array<Frame.Frame> = []
    for (;;) {
      const violation = this.pushOne(frames)
      if (violation === undefined) return Result.succeed(frames)
      if (violation !== true) {
        this.violation = violation
        this.discard()
        return frames.length > 0 ? Result.succeed(frames) : Result.fail(violation)
      }
    }
  }

  // Returns true if a frame was read and another may follow.
  private pushOne(frames: Array<Frame.Frame>): true | undefined | ProtocolViolation.ProtocolViolation {
    if (!this.inPayload) {
      const header = this.readHeader()
      if (header === false) return undefined
      if (header !== true) return header
      if (this.length > this.maxFrameSize) {
        return ProtocolViolation.make(
          "FrameTooBig",
          `a frame of ${this.length} bytes, the limit is ${this.maxFrameSize}`
        )
      }
    }
    const part = this.readPart()
    if (part === undefined) return undefined
    if (this.inPayload || this.assembly !== undefined) {
      this.assembly ??= new PayloadBuffer(allocate)
      this.assembly.append(part, this.remaining)
      if (this.inPayload) return undefined
    }
    const payload = this.assembly === undefined ? part : this.assembly.take()
    this.assembly = undefined
    frames.push(this.frame(payload))
    return true
  }

  /** Returns the current header and a payload as plain data; `rsv` are the RSV bits that an extension has left. */
  frame(payload: Uint8Array, rsv: number = this.rsv): Frame.Frame {
    const frame = {
      fin: this.fin,
      rsv1: (rsv & 0x40) !== 0,
      rsv2: (rsv & 0x20) !== 0,
      rsv3: (rsv & 0x10) !== 0,
      opcode: this.opcode,
      payload
    }
    return this.masked ? { ...frame, maskingKey: Mask.keyToBytes(this.key) } : frame
  }
}

const allocate = (size: number): Uint8Array => new Uint8Array(size)

const headerSize = (second: number): number => {
  const length = second & 0x7f
  return 2 + (length < 126 ? 0 : length === 126 ? 2 : 8) + (second >= 0x80 ? 4 : 0)
}

const uint32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
