/**
 * The generator's process: reads its job from the command line as JSON, prints one line of JSON, and goes away when its
 * standard input ends, so that it never outlives the runner.
 */
import { broadcast } from "./BroadcastLoad.ts"
import type { BroadcastLoad } from "./BroadcastRow.ts"
import { echo, type EchoLoad, handshakes, type HandshakeLoad, idle, type IdleLoad, type Window } from "./Load.ts"

/** One job of the generator. */
export interface Job {
  readonly port: number
  readonly pid: number
  readonly core?: number | undefined
  readonly load: EchoLoad | IdleLoad | HandshakeLoad | BroadcastLoad
  readonly window: Window
}

const run = (job: Job): Promise<unknown> => {
  switch (job.load.mode) {
    case "echo":
      return echo({ ...job, secure: job.load.secure }, job.load, job.window)
    case "idle":
      return idle(job, job.load).then(() => ({ opened: true }))
    case "broadcast":
      return broadcast(job, job.load, job.window)
    case "handshakes":
      return handshakes(job, job.load, job.window)
  }
}

const exit = (code: number): void => process.exit(code)

process.stdin.on("end", () => exit(0)).resume()

const job = JSON.parse(process.argv[2] ?? "{}") as Job

run(job).then(
  (result) =>
    process.stdout.write(`${JSON.stringify(result)}\n`, () => {
      if (job.load.mode !== "idle") exit(0)
    }),
  (error: unknown) => process.stderr.write(`${error instanceof Error ? error.message : error}\n`, () => exit(1))
)
