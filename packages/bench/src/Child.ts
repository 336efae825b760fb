/**
 * A child process that talks in lines: the servers and the generator. It belongs to a Scope and is killed when that
 * closes, however it closes; and since every child also ends with its standard input, none survives the runner itself
 * being killed.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"

/** Says why a measurement could not be made. */
export class BenchError extends Schema.TaggedError<BenchError>()("BenchError", {
  message: Schema.String
}) {}

/** A running child. */
export interface Child {
  readonly pid: number
  /** Writes a line to the child. */
  readonly tell: (line: string) => Effect.Effect<void>
  /** Takes the next line that the child printed; fails when it ended or said nothing for `seconds`. */
  readonly line: (seconds: number) => Effect.Effect<string, BenchError>
}

/** The path of a source file, as a child is started by it. */
export const sourceFile = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

// Lines are a handful per child; the bound only stops one that has gone mad.
const maxLines = 64

/** Starts a child; what it prints to standard error goes straight to ours. */
export const spawn = Effect.fnUntraced(function* (
  name: string,
  command: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.fn.Return<Child, BenchError, ChildProcessSpawner.ChildProcessSpawner | Scope.Scope> {
  const input = yield* Queue.bounded<string>(maxLines)
  const output = yield* Queue.bounded<string, Cause.Done>(maxLines)
  const handle = yield* ChildProcess.make(command[0]!, command.slice(1), {
    env: { NODE_ENV: "production", ...env },
    extendEnv: true,
    stdin: { stream: Stream.encodeText(Stream.fromQueue(input)), endOnDone: true },
    stderr: "inherit",
    killSignal: "SIGKILL"
  }).pipe(Effect.mapError((error) => new BenchError({ message: `${name} could not be started: ${error.message}` })))
  yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Queue.offer(output, line)),
    Effect.ignore,
    Effect.ensuring(Queue.end(output)),
    Effect.forkScoped
  )
  return {
    pid: handle.pid,
    tell: (line) => Effect.asVoid(Queue.offer(input, `${line}\n`)),
    line: (seconds) =>
      Queue.take(output).pipe(
        Effect.mapError(() => new BenchError({ message: `${name} ended before it had anything to say` })),
        Effect.timeoutOrElse({
          duration: `${seconds} seconds`,
          orElse: () => Effect.fail(new BenchError({ message: `${name} said nothing for ${seconds} seconds` }))
        })
      )
  }
})
