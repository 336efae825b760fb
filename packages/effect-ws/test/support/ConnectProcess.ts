/** `effect-ws connect` in a process of its own, with something on its standard input. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import type { ChildProcessWithoutNullStreams } from "node:child_process"

const bin = `${import.meta.dirname}/../../src/bin.ts`

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A client that runs. */
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

/** Starts a program, which is given what is written to its standard input. */
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
        child.once("close", (code) => resolve({ code, ...output }))
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
