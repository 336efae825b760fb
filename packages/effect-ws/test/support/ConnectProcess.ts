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
      return {
        child,
        printed: (stream, pattern) =>
          Effect.callback((resume) => {
            const look = (): void => {
              if (!pattern.test(output[stream])) return
              child[stream].off("data", look)
              resume(Effect.void)
            }
            child[stream].on("data", look)
            look()
            return Effect.sync(() => void child[stream].off("data", look))
          }),
        ended: Effect.promise(() => exited)
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
