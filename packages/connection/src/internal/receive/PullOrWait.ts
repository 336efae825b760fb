/**
 * Reading as an effect: it takes one item of what was received, or parks the fiber until there is one.
 *
 * It takes one at a time, because an item that a stream has pulled and not handed on is lost when the stream ends
 * early: nothing can put it back. For the same reason a fiber that is about to yield does so before it takes.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { isAboutToYield } from "../../OneByOne.ts"
import type { End } from "../ConnectionParts.ts"
import { Primitive } from "../Primitive.ts"

/** Where a pull takes from. */
export interface Source {
  /**
   * Returns what `take` finds, or the end as a failure; `undefined` where nothing is there and more may come. Where the
   * pull is `strict` an ordinary end is a `CloseError`, too. `reader` is the id of the fiber.
   */
  takeNext<A>(take: () => A | undefined, strict: boolean, reader: number): Exit.Exit<A, End> | undefined
  /** Lets a fiber wait until there may be something to take. It then runs `pull`. */
  park<A>(
    fiber: Fiber.Fiber<unknown, unknown>,
    resume: (pull: Effect.Effect<A, End>) => void,
    pull: Effect.Effect<A, End>
  ): void
}

class PullOrWait<A> extends Primitive<A, End> {
  private readonly source: Source
  private readonly take: () => A | undefined
  private readonly strict: boolean
  // Made once, for it is the same each time.
  private waiting: Effect.Effect<A, End> | undefined = undefined

  constructor(source: Source, take: () => A | undefined, strict: boolean) {
    super()
    this.source = source
    this.take = take
    this.strict = strict
  }

  perform(fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<A, End> {
    if (isAboutToYield(fiber)) return Effect.andThen(Effect.yieldNow, this)
    return this.source.takeNext(this.take, this.strict, fiber.id) ?? (this.waiting ??= this.makeWaiting())
  }

  private makeWaiting(): Effect.Effect<A, End> {
    return Effect.callback((resume) => this.source.park(Fiber.getCurrent()!, resume, this))
  }
}

/** Takes what a stream pulls next. */
export const pull = <A>(source: Source, take: () => A | undefined): Effect.Effect<A, End> =>
  new PullOrWait(source, take, false)

/** Takes what a program waits for; every end fails it. */
export const receive = <A>(source: Source, take: () => A | undefined): Effect.Effect<A, CloseError.CloseError> =>
  new PullOrWait(source, take, true) as Effect.Effect<A, CloseError.CloseError>
