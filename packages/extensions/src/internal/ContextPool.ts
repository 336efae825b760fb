/**
 * The zlib contexts of the process: those in use, those kept for the next who needs one, and the bound on the memory of
 * all of them.
 *
 * Making a context costs as much as compressing several short messages, so one that is not needed any more is reset and
 * lent again. A compressor between two messages may lose its context: what it sends next refers to nothing older, which
 * every decompressor understands. Above the bound, the one that has been idle longest does.
 *
 * @internal
 */
import type { Kind } from "./NativeHandle.ts"
import { NativeHandle } from "./NativeHandle.ts"

/** Who holds a context that may be taken away. @internal */
export interface Holder {
  /** Gives the context up. */
  evict(): NativeHandle
}

/** The most contexts of a kind that are kept for later. */
const mostIdle = 8

export class ContextPool {
  /** The bytes of all contexts that exist. */
  used = 0

  private readonly budget: number
  private readonly idle = new Map<string, Array<NativeHandle>>()
  // In the order in which they were last used: a Set keeps the order of insertion.
  private readonly holders = new Set<Holder>()

  constructor(budget: number) {
    this.budget = budget
  }

  /** Lends a context with an empty window, or `undefined` where the budget does not allow one. */
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

  /** Tells that a holder is between two messages: its context may be taken away. */
  offer(holder: Holder): void {
    this.holders.add(holder)
  }

  /** Tells that a holder needs its context for now, or has given it back. */
  withdraw(holder: Holder): void {
    this.holders.delete(holder)
  }
}
