/** kosoku as the server, which our client visits: one connection for each case. */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ConformanceError } from "./ConformanceError.ts"
import * as Http2Bridge from "./Http2Bridge.ts"
import * as Kosoku from "./Kosoku.ts"
import * as Program from "./Program.ts"
import * as Report from "./Report.ts"
import * as Visitor from "./Visitor.ts"

export interface FuzzOptions {
  /** The numbers of the cases. */
  readonly cases: ReadonlyArray<string>
  /** The folder for the reports; what an earlier run left there is removed. */
  readonly reports: string
  /** How long the whole run may take. */
  readonly timeout: Duration.Input
  /** Whether a bridge carries the connections over HTTP/2. Default: false. */
  readonly http2?: boolean | undefined
}

// The suite waits for some seconds in a few cases, in which another can go on.
const concurrency = 4

/** Runs the cases against our client and returns the result of each. */
export const fuzzClient = Effect.fnUntraced(
  function* (options: FuzzOptions) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* fs.remove(options.reports, { recursive: true, force: true })
    yield* fs.makeDirectory(options.reports, { recursive: true })
    const suite = yield* start(options)
    const { cases, http2 } = options
    const address = http2 === true ? yield* Http2Bridge.toSuite(suite.address) : suite.address
    yield* Visitor.visit({ address, count: cases.length, concurrency, http2 })
    // It exits with 1 if a case failed, and writes the report anyway.
    yield* suite.ended
    const index = path.join(options.reports, "index.json")
    if (!(yield* fs.exists(index))) {
      return yield* new ConformanceError({ message: `kosoku left no report\n${suite.printed()}` })
    }
    const agents = yield* Schema.decodeUnknownEffect(Report.Index)(yield* fs.readFileString(index))
    return agents[Visitor.agent] ?? {}
  },
  Effect.scoped,
  (effect, options) =>
    Effect.timeoutOrElse(effect, {
      duration: options.timeout,
      orElse: () =>
        Effect.fail(new ConformanceError({ message: `the cases were not done within ${String(options.timeout)}` }))
    }),
  Effect.catchTags({
    PlatformError: (error) => Effect.fail(new ConformanceError({ message: `kosoku as a server: ${error.message}` })),
    SchemaError: (error) => Effect.fail(new ConformanceError({ message: `kosoku's index.json: ${error.message}` }))
  })
)

const announcement = /^fuzzingserver listening on ws:\/\/(.*)$/

const start = Effect.fnUntraced(function* ({ cases, reports }: FuzzOptions) {
  const spawner = yield* ChildProcessSpawner
  const includes = cases.flatMap((id) => ["-i", id])
  const args = ["-m", "fuzzingserver", "127.0.0.1:0", "-o", reports, ...includes]
  const process = yield* spawner.spawn(ChildProcess.make(Kosoku.executable, args, { forceKillAfter: "2 seconds" }))
  const lines: Array<string> = []
  const printed = (): string => Program.tail(lines.join("\n"))
  const listening = yield* Deferred.make<string, ConformanceError>()
  const failListening = Effect.suspend(() =>
    Deferred.fail(listening, new ConformanceError({ message: `kosoku did not say where it listens\n${printed()}` }))
  )
  // Its output is read to the end: otherwise kosoku fails.
  const output = yield* process.all.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      lines.push(line)
      const address = announcement.exec(line)?.[1]
      return address === undefined ? Effect.void : Deferred.succeed(listening, address)
    }),
    Effect.ensuring(failListening),
    Effect.forkScoped
  )
  yield* Effect.forkScoped(Effect.delay(failListening, "20 seconds"))
  const address = yield* Deferred.await(listening)
  return { address, printed, ended: Effect.andThen(Fiber.join(output), process.exitCode) }
})
