/**
 * The command line in a process of its own, as a user starts it: what it prints, the signals it gets, what it ends
 * with.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Child from "./Child.ts"

const bin = `${import.meta.dirname}/../../src/bin.ts`

/** A server that said where it listens. */
export interface Running {
  /** What stands behind `listening on `. */
  readonly address: string
  readonly port: number
  readonly pid: number
  /** Waits until what was logged so far matches. */
  readonly logged: (pattern: RegExp) => Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Child.Ended>
}

/** Runs the command line to its end. */
export const run = (...args: ReadonlyArray<string>): Effect.Effect<Child.Ended, never, Scope.Scope> =>
  Effect.flatMap(start(args), (launched) => launched.ended)

/** Starts `serve`, and waits until it listens; fails the test with all it printed if it never does. */
export const serve = Effect.fnUntraced(function* (
  ...args: ReadonlyArray<string>
): Effect.fn.Return<Running, never, Scope.Scope> {
  const launched = yield* start(["serve", ...args])
  const address = (yield* launched.find("stdout", /^listening on (.*)\n/))[1]!
  return {
    address,
    port: Number(/:(\d+)$/.exec(address)?.[1]),
    pid: launched.child.pid!,
    logged: (pattern) => launched.printed("stderr", pattern),
    signal: (signal) => Effect.sync(() => void launched.child.kill(signal)),
    ended: launched.ended
  }
})

/** Starts `serve --inspect`, and waits until it says where its inspector is, too. */
export const serveInspected = Effect.fnUntraced(function* (
  ...args: ReadonlyArray<string>
): Effect.fn.Return<
  { readonly address: string; readonly port: number; readonly inspector: string },
  never,
  Scope.Scope
> {
  const launched = yield* start(["serve", ...args])
  const [, address, inspector] = yield* launched.find("stdout", /^listening on (.*)\ninspector on (.*)\n/)
  return { address: address!, port: Number(/:(\d+)$/.exec(address!)?.[1]), inspector: inspector! }
})

const start = (args: ReadonlyArray<string>): Effect.Effect<Child.Running, never, Scope.Scope> =>
  Effect.tap(Child.launch(process.execPath, [bin, ...args]), ({ child }) => Effect.sync(() => child.stdin.end()))
