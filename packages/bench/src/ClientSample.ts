/**
 * One sample of a client: a fresh partner, a fresh client, one load, one figure. It is the client that is pinned to the
 * core on which servers are measured, and the partner to that of the generator.
 */
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import type { ClientLoad } from "./ClientRow.ts"
import type { Throughput, Window } from "./Load.ts"
import type { Peer } from "./Peer.ts"
import { type Pinning, pinned } from "./Pinning.ts"
import type { Job } from "./partner.ts"

const startSeconds = 15
const openSeconds = 60

/** Measures a client, and gives what its partner counted. */
export const clientThroughput = Effect.fnUntraced(function* (
  peer: Peer,
  load: ClientLoad,
  conditions: { readonly window: Window; readonly pinning: Pinning | undefined }
) {
  const { pinning, window } = conditions
  const job: Job = { load, window, core: pinning?.server }
  const command = [process.execPath, Child.sourceFile("partner.ts"), JSON.stringify(job)]
  const partner = yield* Child.spawn("the partner", pinned(pinning?.generator, command))
  const line = yield* partner.line(startSeconds)
  const port = /^listening (\d+)$/.exec(line)?.[1]
  if (port === undefined) {
    return yield* new Child.BenchError({ message: `the partner said ${JSON.stringify(line)}, not "listening PORT"` })
  }
  const client = yield* Child.spawn(
    peer.name,
    pinned(pinning?.server, [peer.program, Child.sourceFile(`clients/${peer.file}`)]),
    { ...peer.env, BENCH_JOB: JSON.stringify({ mode: load.mode, port: Number(port), connections: load.connections }) }
  )
  yield* partner.tell(String(client.pid))
  return JSON.parse(yield* partner.line(window.warmup + window.seconds + openSeconds)) as Throughput
})
