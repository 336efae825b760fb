/**
 * A buffer that grows as bytes arrive, for a payload that spans several chunks or several frames.
 *
 * A header may announce a gigabyte, so what is allocated follows what has arrived, never what was announced alone:
 * at most four times as much, and 64 KiB to begin with. Where the announced length is within that bound the buffer is
 * made once, of exactly that length, and the payload is handed out without another copy.
 *
 * @internal
 */

const FIRST = 64 * 1024
const GROWTH = 4

/** @internal */
export class Assembly {
  private buffer: Uint8Array
  length = 0

  constructor(announced: number) {
    this.buffer = new Uint8Array(Math.min(announced, FIRST))
  }

  /** Appends bytes; `announced` is the total length known so far, including these bytes. */
  append(bytes: Uint8Array, announced: number): void {
    const needed = this.length + bytes.length
    if (needed > this.buffer.length) {
      // Fragments of unknown number at least double the buffer, so that appending stays linear in all.
      const wanted = Math.max(announced, this.buffer.length * 2)
      const larger = new Uint8Array(Math.max(needed, Math.min(wanted, needed * GROWTH)))
      larger.set(this.buffer.subarray(0, this.length))
      this.buffer = larger
    }
    this.buffer.set(bytes, this.length)
    this.length = needed
  }

  /** Hands out the bytes. The assembly must not be used afterwards. */
  take(): Uint8Array {
    return this.length === this.buffer.length ? this.buffer : this.buffer.subarray(0, this.length)
  }
}
