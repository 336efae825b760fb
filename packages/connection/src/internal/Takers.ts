/**
 * The fibers that wait for a connection to have something for them, in order.
 *
 * Nearly always there is none or one, so one is held in fields. No finalizer is registered for a waiting fiber, since
 * that costs more than the waiting: one that was interrupted is found out by asking it.
 */
import type * as Fiber from "effect/Fiber"

export class Takers {
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private resume: (() => void) | undefined = undefined
  private more: Array<{ readonly fiber: Fiber.Fiber<unknown, unknown>; readonly resume: () => void }> | undefined =
    undefined

  get isWaiting(): boolean {
    while (this.fiber !== undefined && this.fiber.pollUnsafe() !== undefined) this.next()
    return this.fiber !== undefined
  }

  add(fiber: Fiber.Fiber<unknown, unknown>, resume: () => void): void {
    if (!this.isWaiting) {
      this.fiber = fiber
      this.resume = resume
      return
    }
    this.more ??= []
    this.more = this.more.filter((waiting) => waiting.fiber.pollUnsafe() === undefined)
    this.more.push({ fiber, resume })
  }

  /** Lets the first go on, which it does before this returns. */
  wake(): void {
    const resume = this.resume
    this.next()
    resume?.()
  }

  private next(): void {
    const next = this.more?.shift()
    this.fiber = next?.fiber
    this.resume = next?.resume
    if (this.more?.length === 0) this.more = undefined
  }
}
