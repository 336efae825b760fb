/**
 * Finds the frames in one direction of a connection, in bytes as they are on the wire, and counts them.
 *
 * It reads headers and skips payloads, so it costs a few nanoseconds for each frame. It checks nothing: the session has
 * the rules, and what follows a close frame, or a frame that broke a rule, is only counted as bytes.
 */
import * as Opcode from "@effect-ws/protocol/Opcode"

/** Is shown each frame from its header to its end. */
export interface FrameVisitor {
  /** `first` is the first byte of the header: FIN, the RSV bits and the opcode. */
  readonly begin: (first: number, length: number, key: Uint8Array | undefined) => void
  /** A part of the payload as it is on the wire; it belongs to the connection. */
  readonly payload: (part: Uint8Array) => void
  readonly end: () => void
}

export class FrameScanner {
  bytes = 0
  frames = 0
  /** The messages whose last frame has begun. */
  messages = 0
  visitor: FrameVisitor | undefined = undefined
  // The bytes of the current frame's payload that are still to come.
  private left = 0
  // The beginning of a header that a chunk ended in.
  private split: Array<number> | undefined = undefined
  private stopped = false

  scan(chunk: Uint8Array): void {
    const { length } = chunk
    this.bytes += length
    let at = this.left > 0 ? this.skip(chunk, 0) : 0
    while (at < length && !this.stopped) {
      const size = this.split === undefined ? headerSize(chunk, at, length - at) : 0
      if (size === 0) at = this.readSplit(chunk, at)
      else {
        this.begin(chunk, at, size)
        at += size
      }
      if (this.left > 0 && at < length) at = this.skip(chunk, at)
    }
  }

  /** Nothing that comes from here on is a frame. */
  stop(): void {
    this.stopped = true
  }

  private begin(source: ArrayLike<number>, at: number, size: number): void {
    const first = source[at]!
    const masked = source[at + 1]! >= 0x80
    this.left = payloadLength(source, at)
    this.frames++
    const opcode = first & 0x0f
    if (first >= 0x80 && opcode <= Opcode.Binary) this.messages++
    if (opcode === Opcode.Close) this.stopped = true
    const { visitor } = this
    if (visitor === undefined) return
    const key = masked ? Uint8Array.from({ length: 4 }, (_, index) => source[at + size - 4 + index]!) : undefined
    visitor.begin(first, this.left, key)
    if (this.left === 0) visitor.end()
  }

  private skip(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.left)
    this.left -= end - at
    const { visitor } = this
    if (visitor !== undefined) {
      visitor.payload(chunk.subarray(at, end))
      if (this.left === 0) visitor.end()
    }
    return end
  }

  // Reads a header that is split between chunks, byte by byte.
  private readSplit(chunk: Uint8Array, start: number): number {
    const header = (this.split ??= [])
    let at = start
    while (at < chunk.length) {
      header.push(chunk[at++]!)
      const size = headerSize(header, 0, header.length)
      if (size === 0) continue
      this.split = undefined
      this.begin(header, 0, size)
      break
    }
    return at
  }
}

/** The bytes of a header, or 0 where not all of them are there. */
const headerSize = (source: ArrayLike<number>, at: number, available: number): number => {
  if (available < 2) return 0
  const second = source[at + 1]!
  const short = second & 0x7f
  const size = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second >= 0x80 ? 4 : 0)
  return size <= available ? size : 0
}

// RFC 6455 5.2: "the payload length" is in 7 bits, or in 16 or 64 bits that follow.
const payloadLength = (source: ArrayLike<number>, at: number): number => {
  const short = source[at + 1]! & 0x7f
  if (short < 126) return short
  let length = 0
  const end = at + (short === 126 ? 4 : 10)
  for (let index = at + 2; index < end; index++) length = length * 256 + source[index]!
  return length
}
