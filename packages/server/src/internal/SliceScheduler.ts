/**
 * Bounds how many messages topics and broadcasts send in one turn of the event loop, over all publishers. The rest is
 * sent in later turns, after the timers and sockets of the process had theirs.
 *
 * The first slice is sent in a microtask at the end of the turn in which it was published, so that several messages
 * published in one turn reach a connection in one write.
 */

/** A source of messages to many receivers. */
export interface Work {
  /** Whether it is in the scheduler's queue. */
  isListed: boolean
  /** Whether it can send now. */
  readonly hasWork: boolean
  /** Sends about `budget` messages at most, and at least one if `hasWork`. Returns the number sent. */
  readonly serve: (budget: number) => number
}

/** Default maximum of messages sent in one turn. */
export const mostInOneTurn = 512

export class SliceScheduler {
  private readonly slice: number
  private left: number
  private queue: Array<Work> = []
  private isScheduled = false
  private isRenewing = false

  constructor(slice: number) {
    this.slice = Math.max(1, slice)
    this.left = this.slice
  }

  /** Queues work, unless it is queued already. */
  add(work: Work): void {
    if (!work.isListed) {
      work.isListed = true
      this.queue.push(work)
    }
    // If nothing is left of this turn, the next one is scheduled already.
    if (this.isScheduled || this.left <= 0) return
    this.isScheduled = true
    queueMicrotask(() => {
      this.isScheduled = false
      this.run()
    })
  }

  private run(): void {
    while (this.left > 0 && this.queue.length > 0) {
      const work = this.queue.shift()!
      this.left -= work.serve(this.left)
      if (work.hasWork) this.queue.push(work)
      else work.isListed = false
    }
    if (this.left === this.slice || this.isRenewing) return
    this.isRenewing = true
    // Not a microtask and not a fiber's yield: the event loop must read sockets and run timers in between.
    setImmediate(() => {
      this.isRenewing = false
      this.left = this.slice
      this.run()
    })
  }
}
