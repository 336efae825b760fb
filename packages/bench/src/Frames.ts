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
 * Counts the frames in what the other end sends back, whatever the chunks, and throws at the first byte that is wrong.
 *
 * **Details**
 *
 * Every header is compared with the only one possible, with the mask bit set where the other end is a client; any
 * masking key will do. The payload is compared in the first frame and skipped in the rest. A fragmented echo, a ping or
 * a close is an error: none of the peers sends one while it echoes.
 */
export class EchoReader {
  private readonly header: Uint8Array
  private readonly payload: Uint8Array
  private readonly start: number
  private readonly frameLength: number
  // Stays zero where nothing is masked.
  private readonly mask = new Uint8Array(4)
  private position = 0
  private verified = false

  constructor(from: "server" | "client", kind: Kind, payload: Uint8Array) {
    this.header = encodeHeader(kind, payload.length)
    if (from === "client") this.header[1]! |= 0x80
    this.payload = payload
    this.start = this.header.length + (from === "client" ? 4 : 0)
    this.frameLength = this.start + payload.length
  }

  /** Takes the first `length` bytes of `chunk` and gives the number of frames that they completed. */
  read(chunk: Uint8Array, length: number): number {
    const header = this.header
    const headerLength = header.length
    const mask = this.mask
    const start = this.start
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
      while (position < start && i < length) mask[position++ - headerLength] = chunk[i++]!
      if (position < start) break
      const take = Math.min(frameLength - position, length - i)
      if (!this.verified) this.verify(chunk, i, take, position - start)
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

  private verify(chunk: Uint8Array, from: number, length: number, offset: number): void {
    for (let i = 0; i < length; i++) {
      const byte = chunk[from + i]! ^ this.mask[(offset + i) & 3]!
      if (byte !== this.payload[offset + i]) throw differs("payload", offset + i, this.payload[offset + i]!, byte)
    }
  }
}

const differs = (part: string, position: number, expected: number, got: number): Error => {
  const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, "0")}`
  return new Error(`echo differs in byte ${position} of the ${part}: expected ${hex(expected)}, got ${hex(got)}`)
}
