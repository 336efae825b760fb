/**
 * The bound of every wait at the end of a server.
 */
import * as StoppedClock from "@effect-ws/transport/StoppedClock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

/** Tells whether an effect ended in time. While a Scope closes, time is also over when a virtual clock has stopped. */
export const endsWithin = (
  wait: Effect.Effect<unknown>,
  timeout: Duration.Duration,
  whileScopeCloses: boolean
): Effect.Effect<boolean> => {
  const ended = Effect.map(Effect.timeoutOption(wait, timeout), Option.isSome)
  return whileScopeCloses ? StoppedClock.orElse(ended, Effect.succeed(false)) : ended
}

/**
 * Runs what interrupts fibers while a Scope closes, and tells whether they ended in time. Interrupting waits for fibers
 * that cannot be interrupted, so it goes on in a fiber of its own.
 */
export const interruptsWithin = (
  interrupting: Effect.Effect<unknown>,
  patience: Duration.Duration
): Effect.Effect<boolean> =>
  Effect.flatMap(Effect.forkDetach(interrupting, { startImmediately: true }), (fiber) =>
    endsWithin(Fiber.await(fiber), patience, true)
  )
