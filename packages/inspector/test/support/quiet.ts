import { Effect } from "effect"

/** Lets everything happen that needs no time. */
export const quiet = Effect.callback<void>((resume) => {
  let turns = 50
  const turn = (): void => {
    if (--turns === 0) resume(Effect.void)
    else setImmediate(turn)
  }
  turn()
})
