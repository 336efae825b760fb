/**
 * The suite that a transport must pass: what the connection relies on, as a list of cases for any test runner. Each
 * case is an effect that fails, or dies, where the transport does something else; see `docs/transports.md`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { addCases } from "./internal/cases.ts"
import type { Add } from "./internal/pair.ts"
import { addPushCases } from "./internal/pushCases.ts"
import type { Transport } from "./internal/Transport.ts"

export type { Transport } from "./internal/Transport.ts"

/**
 * A case of the suite.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  /** What the transport does, such as "half-closes in each direction". */
  readonly name: string
  /** Fails or dies where it does not. It needs the system's clock. */
  readonly run: Effect.Effect<void, unknown>
  /** The time that it may take, in milliseconds. */
  readonly timeout: number
}

/**
 * Makes the cases for a transport.
 *
 * **Example** (With `@effect/vitest`)
 *
 * ```ts skip-type-checking
 * for (const { name, run, timeout } of TransportSuite.cases(transport)) it.live(name, () => run, timeout)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cases = <R = never>(transport: Transport<R>): ReadonlyArray<Case> => {
  const cases: Array<Case> = []
  const add: Add<R> = (name, program, timeout = 10_000) => {
    // A connection of one case must not be seen by the next.
    const run = Effect.suspend(() => Effect.scoped(Effect.provide(program, Layer.fresh(transport.layer))))
    cases.push({ name, run: run as Effect.Effect<void, unknown>, timeout })
  }
  addCases(add, transport)
  if (transport.pushes) addPushCases(add, transport.transferBytes)
  return cases
}
