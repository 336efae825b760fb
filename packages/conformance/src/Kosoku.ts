/**
 * kosoku, which drives the cases of the Autobahn suite. It is a Python package, installed on first use into a virtual
 * environment of its own inside this package, so that nothing is asked of the machine but Python 3.10 with venv.
 *
 * It keeps one processor core busy, much more so than the server that it tests, so two of it share the cases.
 */
import * as Console from "effect/Console"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import { ConformanceError } from "./ConformanceError.ts"
import * as Program from "./Program.ts"
import * as Report from "./Report.ts"

const version = "0.1.0"

const home = `${import.meta.dirname}/../.venv/kosoku-${version}`

/** The installed program. */
export const executable = `${home}/bin/kosoku`

type Services = FileSystem.FileSystem | Path.Path | ChildProcessSpawner

/** Installs kosoku unless it is there. A half-done installation is begun anew. */
export const install: Effect.Effect<void, ConformanceError, Services> = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  if (yield* Effect.orElseSucceed(fs.exists(executable), () => false)) return
  yield* Console.log(`installing kosoku ${version} from PyPI into packages/conformance/.venv`)
  yield* step("python3", "-m", "venv", "--clear", home)
  yield* step(`${home}/bin/pip`, "install", "--quiet", "--disable-pip-version-check", `kosoku==${version}`)
})

const step = Effect.fnUntraced(function* (command: string, ...args: ReadonlyArray<string>) {
  const { exitCode, output } = yield* Program.run(command, args, "5 minutes")
  if (exitCode !== 0) {
    return yield* new ConformanceError({
      message: `kosoku needs Python 3.10 or later with venv: ${[command, ...args].join(" ")} ended with ${exitCode}\n${Program.tail(output)}`
    })
  }
})

const processes = 2

export interface FuzzOptions {
  /** Where the server listens, as `HOST:PORT`. */
  readonly address: string
  /** The numbers of the cases. */
  readonly cases: ReadonlyArray<string>
  /** The folder for the reports, one folder in it for each process; what an earlier run left there is removed. */
  readonly reports: string
  /** How long the whole run may take. */
  readonly timeout: Duration.Input
}

/** Runs the cases against a server and returns the result of each. */
export const fuzzServer = Effect.fnUntraced(
  function* (options: FuzzOptions) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* fs.remove(options.reports, { recursive: true, force: true })
    const shares = Array.from({ length: Math.min(processes, options.cases.length) }, (_, process) => ({
      cases: options.cases.filter((_, index) => index % processes === process),
      reports: path.join(options.reports, String(process + 1))
    }))
    const results = yield* Effect.forEach(shares, (share) => fuzz({ ...options, ...share }), {
      concurrency: "unbounded"
    })
    return Object.assign({}, ...results) as Report.Results
  },
  Effect.catchTags({
    PlatformError: (error) => Effect.fail(new ConformanceError({ message: `the reports: ${error.message}` })),
    SchemaError: (error) => Effect.fail(new ConformanceError({ message: `kosoku's index.json: ${error.message}` }))
  })
)

const fuzz = Effect.fnUntraced(function* (options: FuzzOptions) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(options.reports, { recursive: true })
  const includes = options.cases.flatMap((id) => ["-i", id])
  const { exitCode, output } = yield* Program.run(
    executable,
    ["-m", "fuzzingclient", options.address, "-p", "4", "-o", options.reports, ...includes],
    options.timeout
  )
  // It exits with 1 if a case failed, and writes the report anyway.
  const index = path.join(options.reports, "index.json")
  if (exitCode > 1 || !(yield* fs.exists(index))) {
    return yield* new ConformanceError({
      message: `kosoku ended with ${exitCode} and left no report\n${Program.tail(output)}`
    })
  }
  const agents = yield* Schema.decodeUnknownEffect(Report.Index)(yield* fs.readFileString(index))
  return Object.assign({}, ...Object.values(agents)) as Report.Results
})
