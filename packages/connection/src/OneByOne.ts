/**
 * Streams that take one item at a time from where items wait, such as a queue: when such a stream ends early, whatever
 * it has not handed to the program still waits there for the next read. `Stream.fromQueue` takes all that is there at
 * once, and loses the rest.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/**
 * Creates a stream of what an effect takes. The stream ends where the effect fails with `Cause.Done`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = <A, E>(take: Effect.Effect<A, E>): Stream.Stream<A, Pull.ExcludeDone<E>> =>
  Stream.fromPull(
    Effect.sync(() => {
      const pull = Effect.map(take, (item) => [item] as const)
      const attempt: typeof pull = Effect.withFiber((fiber) =>
        isAboutToYield(fiber) ? Effect.andThen(Effect.yieldNow, attempt) : pull
      )
      return attempt
    })
  )

// How many operations of Effect a chain of stream operators may need from the taking to the program's function.
const HEADROOM = 256

/**
 * Returns whether a fiber may yield before the program's function gets what the fiber takes now. Such a fiber yields
 * before it takes: an interruption in between would lose the item.
 *
 * **Details**
 *
 * A program that sets `Scheduler.MaxOpsBeforeYield` below 512 yields when it likes.
 *
 * @category guards
 * @since 0.1.0
 */
export const isAboutToYield = ({ cache, currentOpCount }: Fiber.Fiber<unknown, unknown>): boolean =>
  currentOpCount + HEADROOM > cache.maxOpsBeforeYield && cache.maxOpsBeforeYield >= 2 * HEADROOM && !cache.preventYield
