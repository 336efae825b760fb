/**
 * The command line as a process: its arguments, its signals, and its exit code. Importing it runs it.
 *
 * SIGINT and SIGTERM interrupt the program, which then drains, and that counts as success; whoever cannot wait for it
 * sends another.
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

// Ctrl-C reaches every process of a terminal's group, and package managers pass it on besides: what follows within a
// moment is the same signal.
const sameSignalMillis = 300

for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15]
] as const) {
  process.once(signal, () => {
    setTimeout(() => process.once(signal, () => process.exit(128 + number)), sameSignalMillis).unref()
  })
}
