/**
 * Whether the peer takes what it is sent: the one sign of life of a peer that only reads.
 *
 * Bytes that the system takes at once prove nothing, since it also takes them for a peer that has vanished. Bytes that
 * it had refused and takes later do: the peer made room. Timers that wait for the peer look here now and then.
 */

/** What is observed, see `PushWriter` of the transport. */
export interface ObservedOutput {
  readonly refusedBytes: number
  readonly takenBytes: number
}

export class OutputProgress {
  // As the last look found them.
  private refused = 0
  private taken = 0
  // When output was blocked and since moved for the last time, and when it was blocked first.
  private movedAt = 0
  private blockedAt = 0
  private movedBytes = 0
  /** Bytes per millisecond, of the last time that output was blocked; 0 where it never was, or never moved. */
  private rate = 0
  // What the peer has shown to have read.
  private read = 0

  /** Looks at `now`, in milliseconds; returns whether bytes have moved that had been refused. */
  look(output: ObservedOutput, now: number): boolean {
    const { refusedBytes, takenBytes } = output
    const moved = this.refused > 0 && takenBytes > this.taken
    if (moved) {
      this.movedBytes += takenBytes - this.taken
      this.rate = this.movedBytes / Math.max(1, now - this.blockedAt)
      this.movedAt = now
    } else if (this.refused === 0) {
      this.movedBytes = 0
      this.blockedAt = now
      this.movedAt = now
    }
    this.refused = refusedBytes
    this.taken = takenBytes
    return moved
  }

  /** Whether the last look found output that the system refused. */
  get isBlocked(): boolean {
    return this.refused > 0
  }

  /** For how many milliseconds blocked output has not moved. */
  stalledFor(now: number): number {
    return this.refused === 0 ? 0 : now - this.movedAt
  }

  /** The peer has read as much, counted as `takenBytes`. */
  confirm(read: number): void {
    this.read = Math.max(this.read, read)
  }

  /**
   * The milliseconds that the peer needs for what the system took and the peer may not have read, at the rate at which
   * it read last. 0 for a peer that never kept us waiting.
   */
  get backlogMillis(): number {
    return this.rate === 0 ? 0 : Math.max(0, this.taken - this.read) / this.rate
  }
}
