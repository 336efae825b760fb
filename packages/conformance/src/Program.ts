/** Runs other people's programs to their end, in bounded time, keeping what they print for when they fail. */
import * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { ConformanceError } from "./ConformanceError.ts"

export interface Finished {
  readonly exitCode: number
  /** Standard output and error, interleaved. */
  readonly output: string
}

export const run = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  timeout: Duration.Input
): Effect.fn.Return<Finished, ConformanceError, ChildProcessSpawner> {
  const name = [command, ...args].join(" ")
  const spawner = yield* ChildProcessSpawner
  return yield* Effect.gen(function* () {
    const process = yield* spawner.spawn(ChildProcess.make(command, args, { forceKillAfter: "2 seconds" }))
    const output = yield* Stream.mkString(Stream.decodeText(process.all))
    return { exitCode: yield* process.exitCode, output }
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) => new ConformanceError({ message: `${name} could not run: ${error.message}` })),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(new ConformanceError({ message: `${name} was not done within ${String(timeout)}` }))
    })
  )
})

/** Returns the last lines of what a program printed, which is where it says why it failed. */
export const tail = (output: string): string => output.trimEnd().split("\n").slice(-15).join("\n")
