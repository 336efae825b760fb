/** `effect-ws connect` in a process of its own, with something on its standard input. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { launch } from "./Child.ts"
import type { Ended, Running } from "./Child.ts"

const bin = `${import.meta.dirname}/../../src/bin.ts`

/** Starts `connect`. */
export const start = (...args: ReadonlyArray<string>): Effect.Effect<Running, never, Scope.Scope> =>
  launch(process.execPath, [bin, "connect", ...args])

/** Starts `connect` on a terminal, whose output is one stream; needs `script` of util-linux. */
export const onTerminal = (
  environment: Readonly<Record<string, string>>,
  ...args: ReadonlyArray<string>
): Effect.Effect<Running, never, Scope.Scope> =>
  launch("script", ["-qec", [process.execPath, bin, "connect", ...args].join(" "), "/dev/null"], {
    TERM: "xterm",
    ...environment
  })

/** Runs `connect` to its end, with all of `input` on its standard input. */
export const run = (
  input: string | Uint8Array,
  ...args: ReadonlyArray<string>
): Effect.Effect<Ended, never, Scope.Scope> =>
  Effect.flatMap(start(...args), ({ child, ended }) => {
    child.stdin.end(input)
    return ended
  })
