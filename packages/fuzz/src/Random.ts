/**
 * Pseudo-random choices from a seed: the same seed makes the same choices on every machine.
 */

/** Mixes numbers into a seed. */
export const mix = (...parts: ReadonlyArray<number>): number => {
  let hash = 0x811c9dc5
  for (const part of parts) {
    hash = Math.imul(hash ^ (part >>> 0), 0x01000193)
    hash ^= hash >>> 15
  }
  return hash >>> 0
}

/** Derives a seed from bytes, so that what depends on chance is the same whenever the bytes are. */
export const seedOf = (bytes: Uint8Array): number => {
  let hash = 0x811c9dc5 ^ bytes.length
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** Returns a number from 0 up to, but not including, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** Returns an integer from 0 up to, but not including, `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]!
  }

  /** Returns a length up to `most`; short ones are likelier. */
  length(most: number): number {
    return Math.floor(this.next() ** 4 * (most + 1))
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at++) bytes[at] = this.below(256)
    return bytes
  }
}
