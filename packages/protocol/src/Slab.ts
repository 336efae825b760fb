/**
 * Slabs: blocks of memory for outgoing frames, shared by all connections of a program.
 *
 * Many small frames are gathered in one slab and leave in one write, and an idle connection holds no memory. Bytes of a
 * slab are never overwritten while a transport may still read them. A writer releases a slab in one of two ways: as
 * reusable from the position where it was acquired, because the transport has copied the bytes, or as used up to its
 * current position. `kept` is what earlier writers left in use, so a later writer cannot free it.
 *
 * @since 0.1.0
 */
import * as Argument from "./Argument.ts"

/**
 * A block of memory, used from the front.
 *
 * @category models
 * @since 0.1.0
 */
export interface Slab {
  readonly bytes: Uint8Array
  used: number
  /** Bytes that earlier writers left in use; a transport may still read them. */
  kept: number
}

/**
 * Options of a pool of slabs.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlabPoolOptions {
  /** Bytes in a slab. Default: 64 KiB. */
  readonly slabSize?: number | undefined
  /** Maximum free slabs that the pool keeps. Further ones are left to the garbage collector. Default: 16. */
  readonly maxFree?: number | undefined
  /** Function that allocates memory. Default: `new Uint8Array(size)`. */
  readonly allocate?: ((size: number) => Uint8Array) | undefined
}

// A slab with less free space than this does not return to the pool.
const WORTH_KEEPING = 4096

/**
 * A bounded stack of free slabs.
 *
 * @category models
 * @since 0.1.0
 */
export class SlabPool {
  readonly slabSize: number
  private readonly maxFree: number
  /** Allocates memory of a size. */
  readonly allocate: (size: number) => Uint8Array
  private readonly free: Array<Slab> = []

  constructor(options?: SlabPoolOptions) {
    this.slabSize = Argument.integer("slabSize", options?.slabSize ?? 64 * 1024, 1)
    this.maxFree = Argument.limit("maxFree", options?.maxFree ?? 16)
    this.allocate = options?.allocate ?? ((size) => new Uint8Array(size))
  }

  /** Takes a slab with at least `room` free bytes from the pool, or allocates one. */
  acquire(room: number): Slab {
    const slab = this.free.pop()
    if (slab !== undefined && slab.bytes.length - slab.used >= room) return slab
    return { bytes: this.allocate(Math.max(room, this.slabSize)), used: 0, kept: 0 }
  }

  /** Returns a slab to the pool. `reusable` says that the bytes written since it was acquired are no longer read. */
  release(slab: Slab, reusable: boolean): void {
    if (reusable) slab.used = slab.kept
    else slab.kept = slab.used
    if (this.free.length < this.maxFree && slab.bytes.length - slab.used >= WORTH_KEEPING) this.free.push(slab)
  }
}
