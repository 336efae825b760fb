/**
 * Collects a payload that spans several chunks or frames.
 *
 * A header may announce a gigabyte, so nothing is allocated for bytes that have not arrived. Large pieces are kept as
 * views of their chunks. Small ones are copied together, so that they do not retain their chunks. The complete payload
 * is copied once, into a buffer of exactly its size.
 */

// Smaller pieces are copied, and so are pieces that are a small part of their chunk. A view would retain the whole
// chunk, and a peer could multiply that beyond the limit on messages.
const KEPT_FROM = 4096
const KEPT_SHARE = 4
const GATHERED = 64 * 1024

/** The pieces of one payload. */
export class PayloadBuffer {
  length = 0
  /** Whether it refers to bytes that it was given. */
  keepsInput = false

  private readonly allocate: (size: number) => Uint8Array
  private readonly pieces: Array<Uint8Array> = []
  // The buffer that collects small pieces, and how much of it is used.
  private smallPieces: Uint8Array | undefined = undefined
  private used = 0

  constructor(allocate: (size: number) => Uint8Array) {
    this.allocate = allocate
  }

  append(bytes: Uint8Array): void {
    // A decompressor may return no bytes for a piece.
    if (bytes.length === 0) return
    this.length += bytes.length
    if (bytes.length >= KEPT_FROM && bytes.length * KEPT_SHARE >= bytes.buffer.byteLength) {
      this.flushSmallPieces()
      this.pieces.push(bytes)
      this.keepsInput = true
      return
    }
    const room = this.smallPieces === undefined ? 0 : this.smallPieces.length - this.used
    if (room < bytes.length) {
      const size = this.smallPieces?.length ?? 0
      this.flushSmallPieces()
      // Sizes grow, so many small pieces end in few large buffers, and few pieces cost little.
      this.smallPieces = this.allocate(Math.max(Math.min(size * 4, GATHERED), bytes.length, 256))
    }
    this.smallPieces!.set(bytes, this.used)
    this.used += bytes.length
  }

  private flushSmallPieces(): void {
    if (this.smallPieces !== undefined) this.pieces.push(this.smallPieces.subarray(0, this.used))
    this.smallPieces = undefined
    this.used = 0
  }

  /** Returns the bytes. The buffer must not be used afterwards. */
  take(): Uint8Array {
    this.flushSmallPieces()
    const whole = this.allocate(this.length)
    let at = 0
    for (const piece of this.pieces) {
      whole.set(piece, at)
      at += piece.length
      release(piece)
    }
    return whole
  }
}

// Frees a chunk that is referenced only here. The garbage collector would free it, but with a megabyte of such memory
// for each message it runs many times more often than it needs to.
const release = (piece: Uint8Array): void => {
  const buffer = piece.buffer as ArrayBuffer
  // Node 20 and shared memory have no `transfer`. Without it the chunk is left to the garbage collector.
  if (piece.byteLength === buffer.byteLength) buffer.transfer?.(0)
}
