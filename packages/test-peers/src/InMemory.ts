/**
 * What tests share that run in memory, under a clock that only they move.
 */
import * as Memory from "@effect-ws/transport/Memory"
import { Effect, Layer } from "effect"

/** A network of its own for each test. */
export const network = Layer.fresh(Memory.layer({ port: 0 }))

/** Lets everything happen that needs no time. */
export const quiet = Effect.callback<void>((resume) => {
  let turns = 50
  const turn = (): void => {
    if (--turns === 0) resume(Effect.void)
    else setImmediate(turn)
  }
  turn()
})
