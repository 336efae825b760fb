/**
 * The zlib contexts of the process: those in use, those kept for reuse, and the bound on the memory of all of them.
 *
 * Creating a context costs as much as compressing several short messages, so a context that is no longer needed is
 * reset and lent again. A compressor between two messages may lose its context: its next output refers to nothing
 * older, which every decompressor understands. Above the bound, the compressor that has been idle longest loses its
 * context.
 */
import type { Kind } from "./NativeHandle.ts"
import { NativeHandle } from "./NativeHandle.ts"

/** Who holds a context that may be taken away. */
export interface Holder {
  /** Releases the context. */
  evict(): NativeHandle
}

/** Maximum idle contexts of a kind. */
const mostIdle = 8

export class ContextPool {
  /** Bytes of all existing contexts. */
  used = 0

  private readonly budget: number
  private readonly idle = new Map<string, Array<NativeHandle>>()
  // In the order of their last use: a Set keeps the order of insertion.
  private readonly holders = new Set<Holder>()

  constructor(budget: number) {
    this.budget = budget
  }

  /** Returns a context with an empty window, or `undefined` when the budget does not allow one. */
  acquire(kind: Kind): NativeHandle | undefined {
    const idle = this.idle.get(kind.key)?.pop()
    if (idle !== undefined) return idle
    while (this.used + kind.cost > this.budget) {
      const freed = this.free()
      if (freed === undefined) return undefined
      if (freed.kind.key === kind.key) {
        freed.reset()
        return freed
      }
      this.destroy(freed)
    }
    this.used += kind.cost
    return new NativeHandle(kind)
  }

  private free(): NativeHandle | undefined {
    for (const handles of this.idle.values()) {
      const handle = handles.pop()
      if (handle !== undefined) return handle
    }
    for (const holder of this.holders) {
      this.holders.delete(holder)
      return holder.evict()
    }
    return undefined
  }

  /** Takes a context back. */
  release(handle: NativeHandle): void {
    if (handle.isSpent) return this.destroy(handle)
    const { key } = handle.kind
    let idle = this.idle.get(key)
    if (idle === undefined) this.idle.set(key, (idle = []))
    if (idle.length >= mostIdle) return this.destroy(handle)
    handle.reset()
    idle.push(handle)
  }

  private destroy(handle: NativeHandle): void {
    this.used -= handle.kind.cost
    handle.close()
  }

  /** Reports that a holder is between two messages: its context may be evicted. */
  offer(holder: Holder): void {
    this.holders.add(holder)
  }

  /** Reports that a holder needs its context, or has released it. */
  withdraw(holder: Holder): void {
    this.holders.delete(holder)
  }
}
