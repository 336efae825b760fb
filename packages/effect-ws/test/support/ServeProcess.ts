/**
 * The command line in a process of its own, as a user starts it: what it prints, the signals it gets, what it ends with.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"

const bin = `${import.meta.dirname}/../../src/bin.ts`

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A server that said where it listens. */
export interface Running {
  /** What stands behind `listening on `. */
  readonly address: string
  readonly port: number
  readonly pid: number
  /** Waits until what was logged so far matches. */
  readonly logged: (pattern: RegExp) => Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
}

/** Runs the command line to its end. */
export const run = (...args: ReadonlyArray<string>): Effect.Effect<Ended, never, Scope.Scope> =>
  Effect.flatMap(launch(args), (launched) => launched.ended)

/** Starts `serve`, and waits until it listens; fails the test with all it printed if it never does. */
export const serve = Effect.fnUntraced(function* (
  ...args: ReadonlyArray<string>
): Effect.fn.Return<Running, never, Scope.Scope> {
  const launched = yield* launch(["serve", ...args])
  const listening = launched.printed("stdout", /^listening on (.*)\n/)
  const match = yield* Effect.raceFirst(
    listening,
    Effect.flatMap(launched.ended, (ended) => Effect.die(new Error(`serve ended at once: ${JSON.stringify(ended)}`)))
  )
  const address = match[1]!
  return {
    address,
    port: Number(/:(\d+)$/.exec(address)?.[1]),
    pid: launched.child.pid!,
    logged: (pattern) => Effect.asVoid(launched.printed("stderr", pattern)),
    signal: (signal) => Effect.sync(() => void launched.child.kill(signal)),
    ended: launched.ended
  }
})

interface Launched {
  readonly child: ChildProcess
  readonly printed: (stream: "stdout" | "stderr", pattern: RegExp) => Effect.Effect<RegExpExecArray>
  readonly ended: Effect.Effect<Ended>
}

const launch = (args: ReadonlyArray<string>): Effect.Effect<Launched, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [bin, ...args], { stdio: ["ignore", "pipe", "pipe"] })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    ),
    (child) => {
      const output = { stdout: "", stderr: "" }
      child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()))
      child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()))
      const exited = new Promise<Ended>((resolve) => {
        child.once("close", (code, signal) => resolve({ code, signal, ...output }))
      })
      return {
        child,
        printed: (stream, pattern) =>
          Effect.callback((resume) => {
            const look = (): void => {
              const match = pattern.exec(output[stream])
              if (match === null) return
              child[stream].off("data", look)
              resume(Effect.succeed(match))
            }
            child[stream].on("data", look)
            look()
            return Effect.sync(() => void child[stream].off("data", look))
          }),
        ended: Effect.promise(() => exited)
      }
    }
  )
