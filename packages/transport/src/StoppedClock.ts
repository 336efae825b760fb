/**
 * Effect's `TestClock` stands still when a test is over, but the Scopes of the test are closed only then. What waits for
 * the other end while a Scope closes, such as the drain of a server, would wait for ever and hide how the test ended.
 * This module ends such waits; with the system's clock it does nothing.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Runs an effect that waits while a Scope closes, and goes on with `orElse` when the Clock is virtual and has stopped.
 *
 * **Details**
 *
 * A virtual clock has stopped when nobody has moved it for 50 milliseconds of real time. The effect is interrupted then.
 * With the system's clock, which never stops, the effect runs as it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const orElse = <A, E, R, A2, E2, R2>(
  wait: Effect.Effect<A, E, R>,
  orElse: Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Clock.clockWith((clock): Effect.Effect<A | A2, E | E2, R | R2> => {
    if (clock === systemClock) return wait
    const waited = Effect.map(Effect.exit(wait), (exit): Effect.Effect<A | A2, E | E2, R | R2> => exit)
    return Effect.flatten(Effect.raceFirst(waited, Effect.as(stopped(clock), orElse)))
  })

const systemClock = Context.get(Context.empty(), Clock.Clock)

// Completes when the clock has not moved between so many looks. Looks and not only time: a process that was held up for a
// while has not seen what happened meanwhile.
const stopped = (clock: Clock.Clock): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let now = clock.monotonicTimeNanosUnsafe()
    let looks = 0
    const look = (): void => {
      const before = now
      now = clock.monotonicTimeNanosUnsafe()
      looks = now === before ? looks + 1 : 0
      if (looks < LOOKS) return
      clearInterval(timer)
      resume(Effect.void)
    }
    const timer = setInterval(look, LOOK_MILLIS)
    return Effect.sync(() => clearInterval(timer))
  })

const LOOKS = 5
const LOOK_MILLIS = 10
