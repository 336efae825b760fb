/**
 * Bounds the number of jobs on the thread pool; the others wait.
 */
export class ThreadPoolLimiter {
  private readonly concurrency: number
  private running = 0
  private readonly waiting: Array<Job> = []

  constructor(concurrency: number) {
    this.concurrency = Math.max(1, concurrency)
  }

  /** Runs a job, now or when others are done. */
  add(job: Job): void {
    if (this.running < this.concurrency) this.run(job)
    else this.waiting.push(job)
  }

  private run(job: Job): void {
    this.running++
    job(() => {
      this.running--
      const next = this.waiting.shift()
      if (next !== undefined) this.run(next)
    })
  }
}

/** Work that calls `release` when it is done, once. */
export type Job = (release: () => void) => void
