/**
 * Effects of our own for what happens with each message: an object with a few fields, whose prototype knows what to do,
 * in place of closures inside effects of Effect's.
 */
import type * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Fiber from "effect/Fiber"

const Base = function () {} as unknown as abstract new <A, E>() => Effect.Effect<A, E>

Base.prototype = Effectable.Prototype<Effect.Effect<unknown, unknown>>({
  label: "Connection",
  evaluate(fiber) {
    return (this as Primitive<unknown, unknown>).perform(fiber)
  }
})

export abstract class Primitive<A, E> extends Base<A, E> {
  /** Does the work in the fiber that evaluates this. The effect that it returns runs in its place. */
  abstract perform(fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<A, E>
}
