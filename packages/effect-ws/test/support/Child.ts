/** A program in a process of its own: what it prints, and how it ends. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import type { ChildProcessWithoutNullStreams } from "node:child_process"

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that runs. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams
  /** Waits until what was printed so far matches. */
  readonly printed: (stream: "stdout" | "stderr", pattern: RegExp) => Effect.Effect<void>
  /** The same, and gives what matched; dies with all that was printed where the process ends before. */
  readonly find: (stream: "stdout" | "stderr", pattern: RegExp) => Effect.Effect<RegExpExecArray>
  readonly ended: Effect.Effect<Ended>
}

// A proxy of the machine's would be in the way, and the tests say themselves whether there are colours.
const plain = { ...process.env, NO_COLOR: "", http_proxy: "", https_proxy: "", all_proxy: "", ALL_PROXY: "" }

/** Starts a program, which is given what is written to its standard input; it is killed when the Scope closes. */
export const launch = (
  command: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn(command, args, { stdio: "pipe", env: { ...plain, ...environment } })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    ),
    (child) => {
      const output = { stdout: "", stderr: "" }
      child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()))
      child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()))
      // It may be gone before it has read everything.
      child.stdin.on("error", () => {})
      const exited = new Promise<Ended>((resolve) => {
        child.once("close", (code, signal) => resolve({ code, signal, ...output }))
      })
      const ended = Effect.promise(() => exited)
      const match = (stream: "stdout" | "stderr", pattern: RegExp): Effect.Effect<RegExpExecArray> =>
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
        })
      return {
        child,
        printed: (stream, pattern) => Effect.asVoid(match(stream, pattern)),
        find: (stream, pattern) =>
          Effect.raceFirst(
            match(stream, pattern),
            Effect.flatMap(ended, (ended) =>
              Effect.die(new Error(`it ended without ${pattern}: ${JSON.stringify(ended)}`))
            )
          ),
        ended
      }
    }
  )
