/**
 * Programs from PyPI, each installed on first use into a virtual environment of its own inside this package, so that
 * nothing is asked of the machine but Python 3.10 with venv.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { ConformanceError } from "./ConformanceError.ts"
import * as Program from "./Program.ts"

/** A package of PyPI and where it is installed. */
export interface Venv {
  readonly name: string
  readonly version: string
  /** The folder with its `python` and its programs. */
  readonly bin: string
}

export const make = (name: string, version: string): Venv => ({
  name,
  version,
  bin: `${import.meta.dirname}/../.venv/${name}-${version}/bin`
})

/** A file that is there when the installation was finished. */
export const marker = ({ bin }: Venv): string => `${bin}/../installed`

/** Installs the package unless it is there. A half-done installation is begun anew. */
export const install = Effect.fnUntraced(function* (
  venv: Venv
): Effect.fn.Return<void, ConformanceError, FileSystem.FileSystem | ChildProcessSpawner> {
  const fs = yield* FileSystem.FileSystem
  if (yield* Effect.orElseSucceed(fs.exists(marker(venv)), () => false)) return
  const { bin, name, version } = venv
  yield* Console.log(`installing ${name} ${version} from PyPI into packages/conformance/.venv`)
  yield* step(name, "python3", "-m", "venv", "--clear", `${bin}/..`)
  yield* step(name, `${bin}/pip`, "install", "--quiet", "--disable-pip-version-check", `${name}==${version}`)
  yield* Effect.mapError(
    fs.writeFileString(marker(venv), ""),
    (error) => new ConformanceError({ message: `${name} could not be installed: ${error.message}` })
  )
})

const step = Effect.fnUntraced(function* (name: string, command: string, ...args: ReadonlyArray<string>) {
  const { exitCode, output } = yield* Program.run(command, args, "5 minutes")
  if (exitCode !== 0) {
    return yield* new ConformanceError({
      message: `${name} needs Python 3.10 or later with venv: ${[command, ...args].join(" ")} ended with ${exitCode}\n${Program.tail(output)}`
    })
  }
})
