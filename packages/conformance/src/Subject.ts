/** The server under test: ours as a user starts it, through the command line, in a process of its own. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ConformanceError } from "./ConformanceError.ts"
import * as Program from "./Program.ts"

const bin = `${import.meta.dirname}/../../effect-ws/src/bin.ts`

const announcement = "listening on ws://"

/** Starts `serve`, with more flags if any, and returns the address that it says it listens on, as `HOST:PORT`. */
export const start = Effect.fnUntraced(
  function* (
    variant: "fiber" | "queue",
    ...flags: ReadonlyArray<string>
  ): Effect.fn.Return<string, ConformanceError, ChildProcessSpawner | Scope.Scope> {
    const spawner = yield* ChildProcessSpawner
    // The suite compares all that it receives with what a case expects, so a ping after a long wait would fail the case.
    const args = [bin, "serve", "--port", "0", "--server", variant, "--keepalive", "0", "--log-level", "none", ...flags]
    const server = yield* spawner
      .spawn(ChildProcess.make(process.execPath, args, { forceKillAfter: "5 seconds" }))
      .pipe(
        Effect.mapError((error) => new ConformanceError({ message: `serve could not be started: ${error.message}` }))
      )
    let printed = ""
    const address = yield* server.all.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.tap((line) => Effect.sync(() => (printed += `${line}\n`))),
      Stream.filter((line) => line.startsWith(announcement)),
      Stream.runHead,
      Effect.mapError((error) => new ConformanceError({ message: `the output of serve: ${error.message}` }))
    )
    if (Option.isNone(address)) {
      return yield* new ConformanceError({
        message: `serve ended before it printed "listening on ws://HOST:PORT"\n${Program.tail(printed)}`
      })
    }
    return address.value.slice(announcement.length)
  },
  Effect.timeoutOrElse({
    duration: "20 seconds",
    orElse: () =>
      Effect.fail(new ConformanceError({ message: `serve did not print "listening on ws://HOST:PORT" within 20 s` }))
  })
)
