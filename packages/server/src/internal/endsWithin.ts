/**
 * The timeout of every wait at the end of a server.
 */
import * as StoppedClock from "@effect-ws/transport/StoppedClock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

/**
 * Returns whether an effect ended within `timeout`. While a Scope closes, a virtual clock that has stopped also ends
 * the wait.
 */
export const endsWithin = (
  wait: Effect.Effect<unknown>,
  timeout: Duration.Duration,
  whileScopeCloses: boolean
): Effect.Effect<boolean> => {
  const ended = Effect.map(Effect.timeoutOption(wait, timeout), Option.isSome)
  return whileScopeCloses ? StoppedClock.orElse(ended, Effect.succeed(false)) : ended
}

/**
 * Runs an effect that interrupts fibers while a Scope closes, and returns whether they ended in time. The effect waits
 * for fibers that cannot be interrupted, so it runs in a fiber of its own.
 */
export const interruptsWithin = (
  interrupting: Effect.Effect<unknown>,
  patience: Duration.Duration
): Effect.Effect<boolean> =>
  Effect.flatMap(Effect.forkDetach(interrupting, { startImmediately: true }), (fiber) =>
    endsWithin(Fiber.await(fiber), patience, true)
  )
