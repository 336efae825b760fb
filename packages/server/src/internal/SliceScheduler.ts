/**
 * How much is sent to many in one turn of the event loop: at most a slice, whoever publishes and however much. What is
 * left goes on in the next turn, when everything else that happens in a process has had its own.
 *
 * The first slice leaves at the end of the turn in which it was published, so that what several publish in one turn
 * reaches a connection in one write.
 */

/** Something that sends to many. */
export interface Work {
  /** Whether it stands in the line. */
  isListed: boolean
  /** Whether it could go on now. */
  readonly hasWork: boolean
  /** Sends at most about `budget` messages, and gives how many it sent: one at least, where it could go on. */
  readonly serve: (budget: number) => number
}

/** The most messages that are sent to many in one turn, where nothing else is said. */
export const mostInOneTurn = 512

export class SliceScheduler {
  private readonly slice: number
  private left: number
  private line: Array<Work> = []
  private isScheduled = false
  private isRenewing = false

  constructor(slice: number) {
    this.slice = Math.max(1, slice)
    this.left = this.slice
  }

  /** Puts work in the line, once. */
  add(work: Work): void {
    if (!work.isListed) {
      work.isListed = true
      this.line.push(work)
    }
    // Where nothing is left of this turn, the next one is on its way.
    if (this.isScheduled || this.left <= 0) return
    this.isScheduled = true
    queueMicrotask(() => {
      this.isScheduled = false
      this.run()
    })
  }

  private run(): void {
    while (this.left > 0 && this.line.length > 0) {
      const work = this.line.shift()!
      this.left -= work.serve(this.left)
      if (work.hasWork) this.line.push(work)
      else work.isListed = false
    }
    if (this.left === this.slice || this.isRenewing) return
    this.isRenewing = true
    // Not a microtask and not a fiber's yield: sockets are read and timers fire in between.
    setImmediate(() => {
      this.isRenewing = false
      this.left = this.slice
      this.run()
    })
  }
}
