/**
 * What every measured client has in common: it learns from its environment what to do, and ends when its standard input
 * does, so that none outlives the runner.
 */
import type { ClientLoad } from "../ClientRow.ts"

/** What a client is to do, and for how many connections at a time. */
interface Job {
  readonly mode: ClientLoad["mode"]
  readonly port: number
  readonly connections: number
}

/** Two ways to use a client: each for one connection. */
export interface Uses {
  /** Connects, and sends back every message that comes. */
  readonly echo: (url: string) => void
  /** Connects, closes with 1000 once it is open, and calls back when that is over. */
  readonly visit: (url: string, done: () => void) => void
}

/** The job of this process. */
export const job = JSON.parse(process.env["BENCH_JOB"] ?? "{}") as Job

/** Where to connect. */
export const url = `ws://127.0.0.1:${job.port}/`

/** Ends the process with its standard input. */
export const endWithInput = (): void => void process.stdin.on("end", () => process.exit(0)).resume()

/** Does the job with a client that works by callbacks. */
export const run = ({ echo, visit }: Uses): void => {
  endWithInput()
  const again = (): void => visit(url, again)
  for (let i = 0; i < job.connections; i++) {
    if (job.mode === "client-echo") echo(url)
    else again()
  }
}
