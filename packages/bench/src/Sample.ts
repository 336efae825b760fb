/**
 * One sample: a fresh server, a fresh generator, one load, one figure. Both processes are gone when it is taken.
 */
import * as Effect from "effect/Effect"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import type { BroadcastLoad } from "./BroadcastRow.ts"
import * as Child from "./Child.ts"
import * as ClientRow from "./ClientRow.ts"
import { clientThroughput } from "./ClientSample.ts"
import type { Job } from "./generator.ts"
import type { EchoLoad, HandshakeLoad, IdleLoad, Throughput } from "./Load.ts"
import type { Peer } from "./Peer.ts"
import { type Pinning, pinned } from "./Pinning.ts"
import { rssKiB } from "./Proc.ts"
import { fairness } from "./FairnessSample.ts"
import type { Row } from "./Row.ts"
import { startServer } from "./startServer.ts"
import type { Conditions } from "./Conditions.ts"

export type { Conditions } from "./Conditions.ts"

/** What was measured once. */
export interface Sample {
  /**
   * The figure of the row: messages or handshakes a second, KiB of resident memory for each idle connection,
   * milliseconds until it listens, or how many times longer a quiet connection waits beside a busy one.
   */
  readonly value: number | undefined
  /** The processor time of what is measured, in microseconds per message or handshake. */
  readonly cpuMicros?: number | undefined
  /** The share of its core that what is measured could have had: what no other program, and no neighbour, took. */
  readonly given?: number | undefined
  /** The share of the window in which what measures it was running. */
  readonly generatorBusy?: number | undefined
  /** KiB of JavaScript heap per idle connection, after a collection. */
  readonly heapKiB?: number | undefined
}

const answerSeconds = 15
const openSeconds = 60

const startGenerator = (job: Job, pinning: Pinning | undefined) =>
  Child.spawn(
    "the generator",
    pinned(pinning?.generator, [process.execPath, Child.sourceFile("generator.ts"), JSON.stringify(job)])
  )

/** Asks a server for its JavaScript heap after a collection, for which it has to run with `--expose-gc`. */
export const heapKiB = Effect.fnUntraced(function* (server: Child.Child) {
  yield* server.tell("heap")
  const line = yield* server.line(answerSeconds)
  const bytes = /^heap (\d+)$/.exec(line)?.[1]
  return bytes === undefined ? undefined : Number(bytes) / 1024
})

const serverThroughput = Effect.fnUntraced(function* (
  peer: Peer,
  row: Row,
  load: EchoLoad | HandshakeLoad | BroadcastLoad,
  conditions: Conditions
) {
  const server = yield* startServer(peer, row, conditions.pinning, [])
  const job = {
    port: server.port,
    pid: server.child.pid,
    core: conditions.pinning?.server,
    load,
    window: conditions.window
  }
  const generator = yield* startGenerator(job, conditions.pinning)
  const line = yield* generator.line(conditions.window.warmup + conditions.window.seconds + openSeconds)
  return JSON.parse(line) as Throughput
})

const throughput = Effect.fnUntraced(function* (
  peer: Peer,
  row: Row,
  load: EchoLoad | HandshakeLoad | BroadcastLoad | ClientRow.ClientLoad,
  conditions: Conditions
) {
  const result = yield* ClientRow.isClientLoad(load)
    ? clientThroughput(peer, load, conditions)
    : serverThroughput(peer, row, load, conditions)
  if (result.count <= 0) {
    return yield* new Child.BenchError({ message: `${peer.name} answered nothing in ${result.seconds.toFixed(1)} s` })
  }
  const cpu = result.serverCpuSeconds
  return {
    value: result.count / result.seconds,
    cpuMicros: cpu === undefined ? undefined : (cpu / result.count) * 1e6,
    given: result.serverGiven,
    generatorBusy: result.generatorBusy
  }
})

const growth = (before: number | undefined, after: number | undefined, connections: number): number | undefined =>
  before === undefined || after === undefined ? undefined : (after - before) / connections

const memory = Effect.fnUntraced(function* (peer: Peer, row: Row, load: IdleLoad, conditions: Conditions) {
  const server = yield* startServer(peer, row, conditions.pinning, ["--expose-gc"])
  const pid = server.child.pid
  const connections = load.connections
  const heapBefore = yield* heapKiB(server.child)
  const rssBefore = rssKiB(pid)
  const job = { port: server.port, pid, load, window: conditions.window }
  const generator = yield* startGenerator(job, conditions.pinning)
  yield* generator.line(openSeconds)
  yield* Effect.sleep(`${conditions.window.seconds} seconds`)
  const rssAfter = rssKiB(pid)
  const heapAfter = yield* heapKiB(server.child)
  return {
    value: growth(rssBefore, rssAfter, connections),
    heapKiB: growth(heapBefore, heapAfter, connections)
  }
})

// How long a started server lives, in seconds: `serve` writes its compile cache after one second.
const lifeAfterStart = 1.5

const startUp = Effect.fnUntraced(function* (peer: Peer, row: Row, { pinning }: Conditions) {
  const { startCpuSeconds: cpu, startMillis } = yield* startServer(peer, row, pinning, [])
  yield* Effect.sleep(`${lifeAfterStart} seconds`)
  return { value: startMillis, cpuMicros: cpu === undefined ? undefined : cpu * 1e6 }
})

const takeScoped = (peer: Peer, row: Row, conditions: Conditions) => {
  switch (row.load.mode) {
    case "idle":
      return memory(peer, row, row.load, conditions)
    case "startup":
      return startUp(peer, row, conditions)
    case "fairness":
      return fairness(peer, row, conditions)
    default:
      return throughput(peer, row, row.load, conditions)
  }
}

/** Takes one sample of a row from a server. */
export const take = (
  peer: Peer,
  row: Row,
  conditions: Conditions
): Effect.Effect<Sample, Child.BenchError, ChildProcessSpawner.ChildProcessSpawner> =>
  Effect.scoped<Sample, Child.BenchError, ChildProcessSpawner.ChildProcessSpawner | Scope.Scope>(
    takeScoped(peer, row, conditions)
  )
