/**
 * The command line as a process: its arguments, its signals, and its exit code. Importing it runs it.
 *
 * SIGINT and SIGTERM interrupt the program, which then drains and exits successfully. A second signal ends it at once.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"
import { readFileSync } from "node:fs"
import * as Program from "./Program.ts"

const manifest: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8")
)

NodeRuntime.runMain(Program.run(manifest.version, process.argv.slice(2)), {
  teardown: (exit, onExit) =>
    exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)
})

// Ctrl-C reaches every process of a terminal's group, and package managers forward it as well: signals within a moment
// count as one.
const sameSignalMillis = 300

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15]
] as const) {
  process.once(signal, () => {
    setTimeout(() => process.once(signal, () => process.exit(128 + number)), sameSignalMillis).unref()
  })
}
