/**
 * The frame writer: encodes frames into bytes, gathered so that the frames of one event leave in one write.
 *
 * Headers and payloads up to 16 KiB are copied into a slab. A larger payload is passed on by reference, between slices
 * of the slabs that hold its neighbours. A client's frames are masked in the slab, so the application's bytes are never
 * changed.
 *
 * @since 0.1.0
 */
import type * as Frame from "./Frame.ts"
import * as Mask from "./Mask.ts"
import type * as Slab from "./Slab.ts"
import * as Utf8 from "./Utf8.ts"

const COPY_UP_TO = 16 * 1024
const LONGEST_HEADER = 14
// Below this length a loop over characters is faster than a call into the encoder.
const LOOP_UP_TO = 24

const encoder = new TextEncoder()

/**
 * Counts the frames that a {@link FrameWriter} writes.
 *
 * @category models
 * @since 0.1.0
 */
export interface FrameCounter {
  /** A frame is written; `first` is its first byte: FIN, RSV bits and opcode. */
  onFrame(first: number): void
}

/**
 * Encodes frames and gathers them until they are taken.
 *
 * **Gotchas**
 *
 * A payload above 16 KiB is not copied: do not change it until it was written.
 *
 * @category models
 * @since 0.1.0
 */
export class FrameWriter {
  /** Bytes that were written and not taken yet. */
  pendingBytes = 0
  /**
   * The indices, in ascending order, of chunks of the last {@link take} that continue the frame of the chunk before
   * them: nothing may be written in between. `undefined` if there are none. The next write replaces it.
   */
  continued: ReadonlyArray<number> | undefined = undefined

  private slab: Slab.Slab | undefined = undefined
  private start = 0
  private full: Array<Slab.Slab> | undefined = undefined
  private chunks: Array<Uint8Array> | undefined = undefined
  private readonly pool: Slab.SlabPool
  private readonly counter: FrameCounter | undefined

  constructor(pool: Slab.SlabPool, counter?: FrameCounter) {
    this.pool = pool
    this.counter = counter
  }

  /**
   * Writes a frame. `first` is its first byte: FIN, RSV bits and opcode. `key` is its masking key, packed as module
   * `Mask` does, or `undefined` for an unmasked frame.
   */
  writeBytes(first: number, payload: Uint8Array, key: number | undefined): void {
    const length = payload.length
    if (this.counter !== undefined) this.counter.onFrame(first)
    if (length <= COPY_UP_TO) {
      const slab = this.reserve(LONGEST_HEADER + length)
      const at = writeHeader(slab.bytes, slab.used, first, length, key)
      slab.bytes.set(payload, at)
      if (key !== undefined) Mask.applyInPlace(slab.bytes, at, at + length, key)
      this.advance(slab, at + length)
    } else {
      this.writeReference(first, key === undefined ? payload : Mask.apply(payload, key), key)
    }
  }

  /** Writes a frame with a text payload. */
  writeText(first: number, text: string, key: number | undefined): void {
    const length = text.length
    // A UTF-16 code unit takes at most three bytes of UTF-8.
    if (length * 3 > COPY_UP_TO) {
      const payload = Utf8.encode(text)
      if (payload.length <= COPY_UP_TO) return this.writeBytes(first, payload, key)
      if (this.counter !== undefined) this.counter.onFrame(first)
      if (key !== undefined) Mask.applyInPlace(payload, 0, payload.length, key)
      return this.writeReference(first, payload, key)
    }
    if (this.counter !== undefined) this.counter.onFrame(first)
    const slab = this.reserve(LONGEST_HEADER + length * 3)
    const bytes = slab.bytes
    // The size of the header depends on that of the payload. ASCII text is the guess that is most often right.
    const guess = slab.used + headerSize(length, key)
    let written = 0
    if (length <= LOOP_UP_TO) {
      while (written < length) {
        const unit = text.charCodeAt(written)
        if (unit >= 0x80) break
        bytes[guess + written++] = unit
      }
    }
    if (written < length || length > LOOP_UP_TO) {
      written = encoder.encodeInto(text, bytes.subarray(guess)).written
    }
    const at = slab.used + headerSize(written, key)
    if (at !== guess) bytes.copyWithin(at, guess, guess + written)
    writeHeader(bytes, slab.used, first, written, key)
    if (key !== undefined) Mask.applyInPlace(bytes, at, at + written, key)
    this.advance(slab, at + written)
  }

  /** Writes a whole frame that is already encoded. Above 16 KiB it is passed on by reference. */
  writeEncoded(frame: Uint8Array): void {
    const length = frame.length
    if (this.counter !== undefined) this.counter.onFrame(frame[0]!)
    if (length > COPY_UP_TO) return void this.refer(frame)
    const slab = this.reserve(length)
    slab.bytes.set(frame, slab.used)
    this.advance(slab, slab.used + length)
  }

  private writeReference(first: number, payload: Uint8Array, key: number | undefined): void {
    const slab = this.reserve(LONGEST_HEADER)
    this.advance(slab, writeHeader(slab.bytes, slab.used, first, payload.length, key))
    const chunk = this.refer(payload)
    if (this.continued === undefined) this.continued = [chunk]
    else (this.continued as Array<number>).push(chunk)
  }

  private refer(bytes: Uint8Array): number {
    if (this.slab !== undefined) this.cut(this.slab)
    this.pendingBytes += bytes.length
    return this.add(bytes)
  }

  // Returns the index of the chunk. Most writes are one chunk, so the list starts with room for no more.
  private add(chunk: Uint8Array): number {
    if (this.chunks !== undefined) return this.chunks.push(chunk) - 1
    this.continued = undefined
    this.chunks = [chunk]
    return 0
  }

  private reserve(size: number): Slab.Slab {
    let slab = this.slab
    if (slab !== undefined) {
      if (slab.bytes.length - slab.used >= size) return slab
      this.cut(slab)
      this.full ??= []
      this.full.push(slab)
    }
    slab = this.pool.acquire(size)
    this.slab = slab
    this.start = slab.used
    return slab
  }

  private advance(slab: Slab.Slab, end: number): void {
    this.pendingBytes += end - slab.used
    slab.used = end
  }

  private cut(slab: Slab.Slab): void {
    if (slab.used > this.start) this.add(slab.bytes.subarray(this.start, slab.used))
    this.start = slab.used
  }

  /**
   * Takes everything that was written, in order, for one write to a transport. Call {@link release} when the transport
   * has it.
   *
   * Each chunk ends where a frame ends, unless {@link continued} lists the chunk after it.
   */
  take(): ReadonlyArray<Uint8Array> {
    if (this.slab !== undefined) this.cut(this.slab)
    const chunks = this.chunks
    this.chunks = undefined
    this.pendingBytes = 0
    return chunks ?? []
  }

  /** Drops everything that was written and not taken. */
  discard(): void {
    this.take()
    this.release(true)
  }

  /**
   * Returns the slabs to the pool; `reusable` says that the transport kept no reference to them. Nothing may have been
   * written since {@link take}.
   */
  release(reusable: boolean): void {
    if (this.slab !== undefined) this.pool.release(this.slab, reusable)
    if (this.full !== undefined) {
      for (const slab of this.full) this.pool.release(slab, reusable)
    }
    this.slab = undefined
    this.full = undefined
  }
}

const headerSize = (length: number, key: number | undefined): number =>
  (length < 126 ? 2 : length < 65536 ? 4 : 10) + (key === undefined ? 0 : 4)

const writeHeader = (
  bytes: Uint8Array,
  start: number,
  first: number,
  length: number,
  key: number | undefined
): number => {
  let at = start
  const mask = key === undefined ? 0 : 0x80
  bytes[at++] = first
  // RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length"
  if (length < 126) {
    bytes[at++] = mask | length
  } else if (length < 65536) {
    bytes[at++] = mask | 126
    bytes[at++] = length >>> 8
    bytes[at++] = length
  } else {
    bytes[at++] = mask | 127
    const high = Math.floor(length / 2 ** 32)
    for (let shift = 24; shift >= 0; shift -= 8) bytes[at++] = high >>> shift
    for (let shift = 24; shift >= 0; shift -= 8) bytes[at++] = length >>> shift
  }
  if (key !== undefined) {
    bytes[at++] = key
    bytes[at++] = key >>> 8
    bytes[at++] = key >>> 16
    bytes[at++] = key >>> 24
  }
  return at
}

/**
 * Returns the first byte of a frame: FIN, RSV bits and opcode.
 *
 * @category encoding
 * @since 0.1.0
 */
export const firstByte = (frame: Omit<Frame.Frame, "payload" | "maskingKey">): number =>
  (frame.fin ? 0x80 : 0) | (frame.rsv1 ? 0x40 : 0) | (frame.rsv2 ? 0x20 : 0) | (frame.rsv3 ? 0x10 : 0) | frame.opcode

/**
 * Encodes one frame into bytes of its own, masked if it has a masking key.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (frame: Frame.Frame): Uint8Array => {
  const key = frame.maskingKey === undefined ? undefined : Mask.keyFromBytes(frame.maskingKey)
  const bytes = new Uint8Array(headerSize(frame.payload.length, key) + frame.payload.length)
  const at = writeHeader(bytes, 0, firstByte(frame), frame.payload.length, key)
  bytes.set(frame.payload, at)
  if (key !== undefined) Mask.applyInPlace(bytes, at, bytes.length, key)
  return bytes
}
