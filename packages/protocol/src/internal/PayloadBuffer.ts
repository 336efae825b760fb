/**
 * Puts together a payload that spans several chunks or several frames.
 *
 * A header may announce a gigabyte, so nothing is allocated for bytes that have not arrived: large pieces are kept as the
 * views they came in, small ones are gathered so that they do not hold on to the chunks they came in, and when the
 * payload is complete it is copied once, into a buffer of exactly its size.
 *
 * @internal
 */

// Below this size a piece is copied, and so is one that is a small part of its chunk: holding on to the chunk would cost
// more, and a peer could make it cost much more than the limit on messages allows.
const KEPT_FROM = 4096
const KEPT_SHARE = 4
const GATHERED = 64 * 1024

/** @internal */
export class PayloadBuffer {
  length = 0
  /** Whether it holds on to bytes that it was given. */
  keepsInput = false

  private readonly allocate: (size: number) => Uint8Array
  private readonly pieces: Array<Uint8Array> = []
  // The last of the pieces where small ones are gathered, and how much of it is in use.
  private smallPieces: Uint8Array | undefined = undefined
  private used = 0

  constructor(allocate: (size: number) => Uint8Array) {
    this.allocate = allocate
  }

  append(bytes: Uint8Array): void {
    // A decompressor may make nothing of a piece yet.
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
      // Many small pieces end up in few large buffers; a few of them do not cost much.
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

  /** Hands out the bytes. The assembly must not be used afterwards. */
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

// Frees a chunk that nobody else can see. The collector would get to it in its own time, but it counts such memory
// badly: with a megabyte of it for each message it runs many times more often than it needs to.
const release = (piece: Uint8Array): void => {
  const buffer = piece.buffer as ArrayBuffer
  // Node 20 and shared memory have no `transfer`, which only costs the hint.
  if (piece.byteLength === buffer.byteLength) buffer.transfer?.(0)
}
