/**
 * The least of RFC 6455 that a load generator needs: one masked frame built once and sent for ever, and a reader that
 * knows in advance, byte for byte, what every header coming back must be. It deliberately shares nothing with the
 * library that is measured, so that a mistake there cannot hide here.
 */

/** What a message carries: `binary` (opcode 2) or `text` (opcode 1). */
export type Kind = "binary" | "text"

/** Describes a frame header, unmasked as a server sends it. */
export const encodeHeader = (kind: Kind, length: number): Uint8Array => {
  const first = 0x80 | (kind === "text" ? 1 : 2)
  if (length < 126) return Uint8Array.of(first, length)
  if (length < 65536) return Uint8Array.of(first, 126, length >>> 8, length & 0xff)
  const header = new Uint8Array(10)
  header[0] = first
  header[1] = 127
  new DataView(header.buffer).setBigUint64(2, BigInt(length))
  return header
}

/** Makes the payload that every message of a run carries: letters for text, all byte values for binary. */
export const makePayload = (kind: Kind, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (kind === "text" ? 97 + (i % 26) : (i * 131 + 7) & 0xff))

/** Encodes a frame as a client sends it, masked with the four bytes of `mask`. */
export const encodeMasked = (kind: Kind, payload: Uint8Array, mask: Uint8Array): Uint8Array => {
  const header = encodeHeader(kind, payload.length)
  const frame = new Uint8Array(header.length + 4 + payload.length)
  frame.set(header)
  frame[1]! |= 0x80
  frame.set(mask, header.length)
  const start = header.length + 4
  for (let i = 0; i < payload.length; i++) frame[start + i] = payload[i]! ^ mask[i & 3]!
  return frame
}

/** Lays `count` copies of a frame one after another, so that several can go out in one write. */
export const repeat = (frame: Uint8Array, count: number): Uint8Array => {
  const out = new Uint8Array(frame.length * count)
  for (let i = 0; i < count; i++) out.set(frame, i * frame.length)
  return out
}

/**
 * Counts the frames in what a server sends back, whatever the chunks, and throws at the first byte that is wrong.
 *
 * **Details**
 *
 * Every header is compared with the only one possible; the payload is compared in the first frame and skipped in the
 * rest. A fragmented echo, a ping or a close is an error: none of the peers sends one while it echoes.
 */
export class EchoReader {
  private readonly header: Uint8Array
  private readonly payload: Uint8Array
  private readonly frameLength: number
  private position = 0
  private verified = false

  constructor(kind: Kind, payload: Uint8Array) {
    this.header = encodeHeader(kind, payload.length)
    this.payload = payload
    this.frameLength = this.header.length + payload.length
  }

  /** Takes the first `length` bytes of `chunk` and gives the number of frames that they completed. */
  read(chunk: Uint8Array, length: number): number {
    const header = this.header
    const headerLength = header.length
    const frameLength = this.frameLength
    let position = this.position
    let completed = 0
    let i = 0
    while (i < length) {
      while (position < headerLength && i < length) {
        if (chunk[i] !== header[position]) throw differs("header", position, header[position]!, chunk[i]!)
        i++
        position++
      }
      if (position < headerLength) break
      const take = Math.min(frameLength - position, length - i)
      if (!this.verified) this.verify(chunk, i, take, position - headerLength)
      i += take
      position += take
      if (position === frameLength) {
        completed++
        position = 0
        this.verified = true
      }
    }
    this.position = position
    return completed
  }

  private verify(chunk: Uint8Array, start: number, length: number, offset: number): void {
    for (let i = 0; i < length; i++) {
      if (chunk[start + i] !== this.payload[offset + i]) {
        throw differs("payload", offset + i, this.payload[offset + i]!, chunk[start + i]!)
      }
    }
  }
}

/**
 * Counts the frames in what a client sends back, whatever the chunks, and throws at the first byte that is wrong.
 *
 * **Details**
 *
 * Every header is compared with the only one possible, the mask bit set; any masking key will do. The payload of the
 * first frame is unmasked and compared, that of the rest is skipped.
 */
export class MaskedReader {
  private readonly header: Uint8Array
  private readonly payload: Uint8Array
  private readonly mask = new Uint8Array(4)
  private position = 0
  private verified = false

  constructor(kind: Kind, payload: Uint8Array) {
    this.header = encodeHeader(kind, payload.length)
    this.header[1]! |= 0x80
    this.payload = payload
  }

  /** Takes a chunk and gives the number of frames that it completed. */
  read(chunk: Uint8Array): number {
    const headerLength = this.header.length
    const start = headerLength + 4
    const frameLength = start + this.payload.length
    let position = this.position
    let completed = 0
    let i = 0
    while (i < chunk.length) {
      for (; position < headerLength && i < chunk.length; i++, position++) {
        if (chunk[i] !== this.header[position]) throw differs("header", position, this.header[position]!, chunk[i]!)
      }
      for (; position < start && i < chunk.length; i++, position++) this.mask[position - headerLength] = chunk[i]!
      const take = Math.min(frameLength - position, chunk.length - i)
      if (!this.verified && position >= start) this.verify(chunk, i, take, position - start)
      i += take
      position += take
      if (position === frameLength) {
        completed++
        position = 0
        this.verified = true
      }
    }
    this.position = position
    return completed
  }

  private verify(chunk: Uint8Array, start: number, length: number, offset: number): void {
    for (let i = 0; i < length; i++) {
      const byte = chunk[start + i]! ^ this.mask[(offset + i) & 3]!
      if (byte !== this.payload[offset + i]) throw differs("payload", offset + i, this.payload[offset + i]!, byte)
    }
  }
}

const differs = (part: string, position: number, expected: number, got: number): Error => {
  const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, "0")}`
  return new Error(`echo differs in byte ${position} of the ${part}: expected ${hex(expected)}, got ${hex(got)}`)
}
