/**
 * Memory for outputs of unknown length. Each output is written into the rest of a slab and keeps only what it needs, so
 * outputs are not copied and few ArrayBuffers are allocated.
 *
 * An output keeps its slab alive as long as it is referenced.
 */
const slabSize = 64 * 1024
const leastRoom = 8 * 1024

export class OutputBuffer {
  /** Slab to write to, from `offset` on. */
  slab: Uint8Array = new Uint8Array(0)
  offset = 0

  /** Makes room for a write, at least 8 KiB, and returns its size. */
  reserve(): number {
    if (this.slab.length - this.offset < leastRoom) {
      this.slab = new Uint8Array(Buffer.allocUnsafeSlow(slabSize).buffer)
      this.offset = 0
    }
    return this.slab.length - this.offset
  }

  /** Keeps the next `length` bytes, which have been written. */
  take(length: number): Uint8Array {
    const taken = this.slab.subarray(this.offset, this.offset + length)
    this.offset += length
    return taken
  }
}

/** Joins pieces. */
export const join = (pieces: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  if (pieces.length === 1) return pieces[0]!
  const joined = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}
