import * as Executable from "@effect-ws/test-support/Executable"
import { it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import type { Scope } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"

/** A Python with the package `websockets`; `.ci/run` installs one. */
export const python: string = process.env["EFFECT_WS_PYTHON"] ?? "python3"

const present = {
  nginx: Executable.runs("nginx", "-v"),
  haproxy: Executable.runs("haproxy", "-v"),
  tinyproxy: Executable.runs("tinyproxy", "-v"),
  // It knows no flag that does nothing.
  microsocks: Executable.runs("sh", "-c", "command -v microsocks"),
  openssl: Executable.runs("openssl", "version"),
  "python websockets": Executable.runs(python, "-c", "import websockets.asyncio.server")
}

/** A test that needs a program: left out by name where it is missing, which in CI is a failure. */
export const testWith = (
  program: keyof typeof present,
  name: string,
  effect: () => Effect.Effect<void, unknown, Scope.Scope>
): void => {
  if (present[program]) it.live(name, () => Effect.scoped(effect()), 20_000)
  else if (process.env["CI"] === undefined) it.skip(`${name} (left out: no ${program} here)`, () => {})
  else it(name, () => Promise.reject(new Error(`${program} is not installed`)))
}

/** A folder that is removed afterwards. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ws-client-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** Runs a program until the Scope closes, from the moment on at which something listens where it should. */
export const run = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  listens: { readonly port: number } | { readonly path: string }
): Effect.fn.Return<void, unknown, Scope.Scope> {
  let output = ""
  let ended = false
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })),
    (child) =>
      Effect.callback<void>((resume) => {
        if (ended) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text: Buffer) => void (output += text.toString()))
  child.once("exit", () => {
    ended = true
  })
  child.once("error", (error) => {
    ended = true
    output += error.message
  })
  const probe = Effect.callback<void, string>((resume) => {
    if (ended) return resume(Effect.die(new Error(`${command} ended: ${output}`)))
    const socket = Net.connect("port" in listens ? { ...listens, host: "127.0.0.1" } : listens)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.void)
    })
    socket.once("error", () => resume(Effect.fail(`${command} does not listen: ${output}`)))
  })
  yield* Effect.retry(probe, { schedule: Schedule.spaced("20 millis"), times: 400 })
})
