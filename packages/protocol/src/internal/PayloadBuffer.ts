/**
 * Collects a payload that spans several chunks or frames.
 *
 * A header may announce a gigabyte, so memory for the whole payload is allocated only when little is missing: no more
 * than an eighth of what has arrived, and 16 KiB. From then on every piece is copied to its final place, and its chunk
 * is free at once. Until then large pieces are kept as views of their chunks, and small ones are copied together, so
 * that they do not retain their chunks.
 */

// Smaller pieces are copied, and so are pieces that are a small part of their chunk. A view would retain the whole
// chunk, and a peer could multiply that beyond the limit on messages.
const KEPT_FROM = 4096
const KEPT_SHARE = 4
const GATHERED = 64 * 1024
// What may be missing of a payload when its memory is allocated: so many bytes, and such a share of what has arrived.
const MISSING = 16 * 1024
const MISSING_SHARE = 8

/** The pieces of one payload. */
export class PayloadBuffer {
  length = 0
  /** Whether it refers to bytes that it was given. */
  keepsInput = false

  private readonly allocate: (size: number) => Uint8Array
  private readonly pieces: Array<Uint8Array> = []
  // The memory that pieces are copied to, and how much of it is used.
  private block: Uint8Array | undefined = undefined
  private used = 0
  // Whether the block has room for the whole payload, and has all of it so far.
  private isWhole = false

  constructor(allocate: (size: number) => Uint8Array) {
    this.allocate = allocate
  }

  /** The bytes that arrived, and those that memory was allocated for ahead: at most an eighth as many, and 16 KiB. */
  get heldBytes(): number {
    return this.isWhole ? this.block!.length : this.length
  }

  /** Adds a piece; `following` is how many more bytes will come, or 0 if that is not known. */
  append(bytes: Uint8Array, following = 0): void {
    const { length } = bytes
    // A decompressor may return no bytes for a piece.
    if (length === 0) return
    this.length += length
    const isNearEnd = following > 0 && following <= MISSING && following * MISSING_SHARE <= this.length
    if (isNearEnd && !this.isWhole) this.allocateWhole(this.length + following, length)
    const room = this.block === undefined ? 0 : this.block.length - this.used
    if (room < length || !this.isWhole) {
      if (length >= KEPT_FROM && length * KEPT_SHARE >= bytes.buffer.byteLength) return this.keep(bytes)
      if (room < length) {
        const size = this.block?.length ?? 0
        this.endBlock()
        // Sizes grow, so many small pieces end in few large blocks, and few pieces cost little.
        this.block = this.allocate(Math.max(Math.min(size * 4, GATHERED), length, 256))
      }
    }
    this.block!.set(bytes, this.used)
    this.used += length
  }

  private keep(bytes: Uint8Array): void {
    this.endBlock()
    this.pieces.push(bytes)
    this.keepsInput = true
  }

  // Allocates memory for the whole payload, and moves there what came before the last `coming` bytes.
  private allocateWhole(size: number, coming: number): void {
    this.endBlock()
    const whole = this.allocate(size)
    this.moveTo(whole)
    this.block = whole
    this.used = this.length - coming
    this.isWhole = true
  }

  private endBlock(): void {
    if (this.block !== undefined) this.pieces.push(this.block.subarray(0, this.used))
    this.block = undefined
    this.used = 0
    this.isWhole = false
  }

  private moveTo(whole: Uint8Array): void {
    let at = 0
    for (const piece of this.pieces) {
      whole.set(piece, at)
      at += piece.length
      release(piece)
    }
    this.pieces.length = 0
    this.keepsInput = false
  }

  /** Returns the bytes, in memory of exactly their size. The buffer must not be used afterwards. */
  take(): Uint8Array {
    if (this.isWhole && this.block!.length === this.length) return this.block!
    this.endBlock()
    const whole = this.allocate(this.length)
    this.moveTo(whole)
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
