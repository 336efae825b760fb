/**
 * The partner's process: reads its job from the command line as JSON, prints `listening PORT`, is told the process to
 * measure, prints one line of JSON, and goes away when its standard input ends, so that it never outlives the runner.
 */
import { createInterface } from "node:readline"
import type { ClientLoad } from "./ClientRow.ts"
import type { Window } from "./Load.ts"
import { echo, handshakes } from "./PartnerLoad.ts"

/** One job of the partner. */
export interface Job {
  readonly load: ClientLoad
  readonly window: Window
  /** The core that the client is pinned to, if it is. */
  readonly core?: number | undefined
}

const job = JSON.parse(process.argv[2] ?? "{}") as Job

const partner = await (job.load.mode === "client-echo" ? echo(job.load, job.window) : handshakes(job.load, job.window))

const lines = createInterface({ input: process.stdin })

lines.on("close", () => process.exit(0))

lines.on("line", (line) => {
  partner.run({ pid: Number(line), core: job.core }).then(
    (result) => process.stdout.write(`${JSON.stringify(result)}\n`),
    (error: unknown) =>
      process.stderr.write(`${error instanceof Error ? error.message : error}\n`, () => process.exit(1))
  )
})

process.stdout.write(`listening ${partner.port}\n`)
