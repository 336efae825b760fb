/**
 * The chaos run by hand: `npx -y pnpm@12 chaos:topics [MESSAGES] [SUBSCRIBERS] [always|everysec]`, 10 000, 30 and
 * `always` by default.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Duration, Effect, Logger } from "effect"
import { run } from "./Chaos.ts"

const [messages = "10000", subscribers = "30", fsync = "always"] = process.argv.slice(2)
const appendfsync = fsync === "everysec" ? "everysec" : "always"
const write = (line: string): void => void process.stdout.write(`${line}\n`)

run({
  messages: Number(messages),
  topics: 10,
  subscribers: Number(subscribers),
  publishers: 20,
  appendfsync,
  report: write
}).pipe(
  Effect.timed,
  Effect.map(([elapsed, { acknowledged, complete, delivered, gaps, lost, problems, retried }]) => {
    write(`${acknowledged} acknowledged, ${retried} of them after a retry by the program, ${delivered} delivered`)
    write(`Redis lost ${lost.restart} in the restart, ${lost.eviction} in the eviction, ${lost.flush} in the flush`)
    write(`${complete} of ${subscribers} subscribers got all of the rest`)
    for (const gap of gaps) write(gap)
    for (const problem of problems) write(`PROBLEM ${problem}`)
    write(`${problems.length} problems, in ${Duration.format(elapsed)}`)
    process.exitCode = problems.length === 0 ? 0 : 1
  }),
  Effect.scoped,
  Effect.provide(Logger.layer([])),
  NodeRuntime.runMain
)
