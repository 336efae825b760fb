/**
 * Monotonic time, which measures all durations. Effect's `currentTimeMillis` and `currentTimeNanos` are wall-clock
 * time, which an operator or NTP may change; they are for dates only.
 *
 * The zero is arbitrary, so only differences have a meaning. The time comes from the Clock of the context and stands
 * still under `TestClock`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * Returns the monotonic time of a clock in milliseconds, with fractions.
 *
 * @category accessors
 * @since 0.1.0
 */
export const millisUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000

/**
 * Returns the monotonic time in milliseconds, with fractions.
 *
 * @category accessors
 * @since 0.1.0
 */
export const millis: Effect.Effect<number> = Clock.clockWith((clock) => Effect.sync(() => millisUnsafe(clock)))
