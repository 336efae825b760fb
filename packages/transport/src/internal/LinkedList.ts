/**
 * A list in the order of insertion, whose entries hold its links. It takes the place of a `Set` or a `Map` for objects
 * that come and go with connections.
 *
 * When a `Set` or a `Map` grows or is cleaned up, V8 moves its entries to a new table, and the old table refers to the
 * new one. Once an old table has moved to the old generation, all later tables and their entries survive until the next
 * full collection. A server that opens and closes many connections would keep each of them that long.
 */

/**
 * The links of an entry. Only the list sets them. They are `undefined` while the entry is in no list.
 */
export interface Links<Self> {
  previous: Self | undefined
  next: Self | undefined
}

/**
 * A list in the order of insertion. An entry is in at most one list at a time.
 */
export class LinkedList<A extends Links<A>> implements Iterable<A> {
  private head: A | undefined = undefined
  private tail: A | undefined = undefined
  private count = 0

  /** The entry that was added first. */
  get first(): A | undefined {
    return this.head
  }

  /** The number of entries. */
  get size(): number {
    return this.count
  }

  /** Tests whether an entry of this list, or of none, is in this one. */
  has(entry: A): boolean {
    return entry.previous !== undefined || this.head === entry
  }

  /** Appends an entry that is in no list. */
  add(entry: A): void {
    const { tail } = this
    entry.previous = tail
    if (tail === undefined) this.head = entry
    else tail.next = entry
    this.tail = entry
    this.count++
  }

  /** Removes an entry of this list. Returns `false` if it is in none. */
  delete(entry: A): boolean {
    if (!this.has(entry)) return false
    const { next, previous } = entry
    if (previous === undefined) this.head = next
    else previous.next = next
    if (next === undefined) this.tail = previous
    else next.previous = previous
    // An entry in the old generation must not keep one in the young generation alive.
    entry.previous = undefined
    entry.next = undefined
    this.count--
    return true
  }

  /** Iterates in the order of insertion. The current entry may be removed meanwhile, and no other. */
  *[Symbol.iterator](): Iterator<A> {
    let entry = this.head
    while (entry !== undefined) {
      const { next } = entry
      yield entry
      entry = next
    }
  }
}
