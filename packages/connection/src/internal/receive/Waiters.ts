/**
 * The fibers that wait for a connection to have something for them, in order.
 *
 * Nearly always there is none or one, so one is held in fields. No finalizer is registered for a waiting fiber, since
 * that costs more than the waiting: one that was interrupted is found out by asking it.
 */
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

type Resume = (attempt: Effect.Effect<never>) => void

interface Taker {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly resume: Resume
  readonly attempt: Effect.Effect<never>
}

export class Waiters {
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private resume: Resume | undefined = undefined
  private attempt: Effect.Effect<never> | undefined = undefined
  private more: Array<Taker> | undefined = undefined

  get isWaiting(): boolean {
    while (this.fiber !== undefined && this.fiber.pollUnsafe() !== undefined) this.next()
    return this.fiber !== undefined
  }

  /** Adds a fiber that waits. When resumed it runs `attempt`. */
  add<A, E>(
    fiber: Fiber.Fiber<unknown, unknown>,
    resume: (attempt: Effect.Effect<A, E>) => void,
    attempt: Effect.Effect<A, E>
  ): void {
    // What each of them gives is between it and its effect.
    const own = attempt as Effect.Effect<never>
    if (!this.isWaiting) return this.set(fiber, resume as Resume, own)
    this.more ??= []
    this.more = this.more.filter((waiting) => waiting.fiber.pollUnsafe() === undefined)
    this.more.push({ fiber, resume: resume as Resume, attempt: own })
  }

  /** Lets the first go on, which it does before this returns. */
  wake(): void {
    const { attempt, resume } = this
    this.next()
    resume?.(attempt!)
  }

  private next(): void {
    if (this.more === undefined) return this.set(undefined, undefined, undefined)
    const next = this.more.shift()
    this.set(next?.fiber, next?.resume, next?.attempt)
    if (this.more.length === 0) this.more = undefined
  }

  private set(
    fiber: Fiber.Fiber<unknown, unknown> | undefined,
    resume: Resume | undefined,
    attempt: Effect.Effect<never> | undefined
  ): void {
    this.fiber = fiber
    this.resume = resume
    this.attempt = attempt
  }
}
