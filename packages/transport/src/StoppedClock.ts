/**
 * Ends waits on a stopped `TestClock`. Effect closes the Scopes of a test when the test is over and its `TestClock` no
 * longer moves. An effect that waits for the peer while a Scope closes, such as a drain of the server, would then wait
 * forever and hide the result of the test. With the system's clock this module does nothing.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Runs an effect that waits while a Scope closes, and continues with `orElse` when a virtual Clock has stopped.
 *
 * **Details**
 *
 * A virtual clock counts as stopped after 50 milliseconds of real time without a change. Then the effect is
 * interrupted. With the system's clock, which never stops, the effect runs unchanged.
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

// Completes when the clock has not moved between several checks. It counts checks in addition to time, because a
// process that was suspended has not seen what happened meanwhile.
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
