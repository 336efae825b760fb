/**
 * Slabs: blocks of memory that outgoing frames are written into, shared by all connections of a program.
 *
 * Many small frames that one received chunk caused leave in one write, and an idle connection holds no memory. A slab's
 * bytes are written once and never rewritten while anybody may still read them: a writer gives a slab back either as
 * free again from where it took it (its transport has copied everything) or as used up to a point. Connections share
 * slabs, so what one of them left in use stays so, whatever the next says of its own part.
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
  /** What lies below was written by earlier holders, and somebody may still read it. */
  kept: number
}

/**
 * What a pool of slabs may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlabPoolOptions {
  /** Bytes in a slab. Default: 64 KiB. */
  readonly slabSize?: number | undefined
  /** The most free slabs that are kept; more are left to the garbage collector. Default: 16. */
  readonly maxFree?: number | undefined
  /** Makes the memory. Default: `new Uint8Array(size)`. */
  readonly allocate?: ((size: number) => Uint8Array) | undefined
}

// What is left of a slab below this size is not worth another turn.
const WORTH_KEEPING = 4096

/**
 * A bounded stack of slabs that are ready for use.
 *
 * @category models
 * @since 0.1.0
 */
export class SlabPool {
  readonly slabSize: number
  private readonly maxFree: number
  /** Makes memory of a size. */
  readonly allocate: (size: number) => Uint8Array
  private readonly free: Array<Slab> = []

  constructor(options?: SlabPoolOptions) {
    this.slabSize = Argument.integer("slabSize", options?.slabSize ?? 64 * 1024, 1)
    this.maxFree = Argument.limit("maxFree", options?.maxFree ?? 16)
    this.allocate = options?.allocate ?? ((size) => new Uint8Array(size))
  }

  /** Takes a slab with at least `room` free bytes out of the pool, or makes one. */
  acquire(room: number): Slab {
    const slab = this.free.pop()
    if (slab !== undefined && slab.bytes.length - slab.used >= room) return slab
    return { bytes: this.allocate(Math.max(room, this.slabSize)), used: 0, kept: 0 }
  }

  /** Gives a slab back; `reusable` says that nobody reads what was written since it was acquired. */
  release(slab: Slab, reusable: boolean): void {
    if (reusable) slab.used = slab.kept
    else slab.kept = slab.used
    if (this.free.length < this.maxFree && slab.bytes.length - slab.used >= WORTH_KEEPING) this.free.push(slab)
  }
}
