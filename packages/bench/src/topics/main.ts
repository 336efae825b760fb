/**
 * Topics beside socket.io with its Redis Streams adapter: three nodes, one Redis, 300 subscribers on 30 topics,
 * messages of 256 bytes. First each publisher publishes again when it is answered, then all of them at a fixed rate,
 * then so again while one node is killed. `node packages/bench/src/topics/main.ts [--rounds N] [--seconds N]`, on a
 * machine that is quiet.
 */
import { freePort } from "@effect-ws/test-support/LocalPort"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Fiber, Logger } from "effect"
import type { Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { sourceFile, spawn } from "../Child.ts"
import type { Child } from "../Child.ts"
import { cpuSeconds, rssKiB } from "../Proc.ts"
import { interleave, median, ratios } from "../Statistics.ts"
import * as clients from "./clients.ts"
import type { BenchClient, MakeClient } from "./clients.ts"

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, seconds: { type: "string", default: "5" } }
})
const rounds = Number(flags.rounds)
const seconds = Number(flags.seconds)

const nodeCount = 3
const topicCount = 30
const subscriberCount = 300
const messageBytes = 256
/** Publishes a second in the parts with a fixed rate. */
const rate = 200

const sides: Readonly<Record<string, { readonly file: string; readonly makeClient: MakeClient }>> = {
  "effect-ws": { file: "topics/ours.ts", makeClient: clients.ours },
  "socket.io": { file: "topics/socketio.ts", makeClient: clients.socketio }
}

interface Sample {
  /** Publishes a second that were answered, each publisher with one at a time. */
  readonly published: number
  readonly delivered: number
  /** Processor time of the three nodes for each delivery, in microseconds. */
  readonly nodeMicros: number
  /** Processor time of Redis for each publish, in microseconds. */
  readonly redisMicros: number
  /** Resident memory of a node, in MiB. */
  readonly memory: number
  /** Milliseconds from publish to delivery at the fixed rate. */
  readonly p50: number
  readonly p99: number
  /** Of the messages that were answered while a node was killed: how many deliveries there should be, and are not. */
  readonly expected: number
  readonly lost: number
  readonly doubled: number
}

const startRedis = Effect.gen(function* () {
  const port = yield* freePort
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ws-bench-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const command = ["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
  const child = yield* spawn("redis-server", command)
  while (!/Ready to accept/.test(yield* child.line(10)));
  return { pid: child.pid, url: `redis://127.0.0.1:${port}` }
})

/** What each subscriber got, and what was answered, by topic. */
interface Ledger {
  readonly got: ReadonlyArray<{ readonly topic: number; readonly seen: Map<string, number> }>
  readonly answered: ReadonlyArray<Set<string>>
}

const message = (id: string): string => `${id} ${performance.now()} `.padEnd(messageBytes, "x")

const sample = Effect.fnUntraced(function* (name: string) {
  const { file, makeClient } = sides[name]!
  const redis = yield* startRedis
  const ports = yield* Effect.replicateEffect(freePort, nodeCount)
  const nodes: ReadonlyArray<Child> = yield* Effect.forEach(ports, (port) =>
    spawn(name, [process.execPath, sourceFile(file), String(port), redis.url])
  )
  yield* Effect.forEach(nodes, (node) => node.line(30), { concurrency: "unbounded" })

  let ledger: Ledger = { got: [], answered: [] }
  let latencies: Array<number> | undefined
  let deliveries = 0
  const openLedger = () => {
    ledger = {
      got: Array.from({ length: subscriberCount }, (_, at) => ({ topic: at % topicCount, seen: new Map() })),
      answered: Array.from({ length: topicCount }, () => new Set())
    }
  }
  openLedger()
  for (let at = 0; at < subscriberCount; at++) {
    const client = yield* makeClient(ports, at)
    yield* client.subscribe(`topic ${at % topicCount}`, (data) => {
      const [id = "", sent] = data.split(" ")
      deliveries++
      latencies?.push(performance.now() - Number(sent))
      const { seen } = ledger.got[at]!
      seen.set(id, (seen.get(id) ?? 0) + 1)
    })
  }
  const publishers: ReadonlyArray<BenchClient> = yield* Effect.forEach(Array.from({ length: topicCount }), (_, at) =>
    makeClient(ports, at)
  )
  let number = 0
  const publish = (at: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const id = String(++number)
      return Effect.match(publishers[at]!.publish(`topic ${at}`, message(id)), {
        // Without an answer nothing is known, and nothing expected.
        onFailure: () => undefined,
        onSuccess: () => void ledger.answered[at]!.add(id)
      })
    })
  const answered = () => ledger.answered.reduce((sum, { size }) => sum + size, 0)
  const until = (end: number, turn: (at: number) => Effect.Effect<unknown>) =>
    Effect.forEach(
      publishers,
      (_, at) => Effect.suspend(() => Effect.repeat(turn(at), { while: () => performance.now() < end })),
      { concurrency: "unbounded", discard: true }
    )
  const cpu = () => nodes.reduce((sum, { pid }) => sum + (cpuSeconds(pid) ?? 0), 0)

  // Warms up at full load.
  yield* until(performance.now() + 1000, publish)
  openLedger()
  const before = { cpu: cpu(), redis: cpuSeconds(redis.pid) ?? 0, deliveries, at: performance.now() }
  yield* until(performance.now() + seconds * 1000, publish)
  const took = (performance.now() - before.at) / 1000
  const published = answered()
  const delivered = deliveries - before.deliveries
  yield* Effect.sleep("500 millis")
  const nodeMicros = ((cpu() - before.cpu) / (deliveries - before.deliveries)) * 1e6
  const redisMicros = (((cpuSeconds(redis.pid) ?? 0) - before.redis) / published) * 1e6
  const memory = median(nodes.map(({ pid }) => (rssKiB(pid) ?? 0) / 1024))!

  // At a fixed rate, for the latency.
  const paced = (at: number) => Effect.andThen(Effect.forkDetach(publish(at)), Effect.sleep((1000 * topicCount) / rate))
  latencies = []
  yield* until(performance.now() + seconds * 1000, paced)
  yield* Effect.sleep("500 millis")
  const sorted = latencies.sort((a, b) => a - b)
  latencies = undefined

  // The same, while a node is killed.
  openLedger()
  const load = yield* Effect.forkChild(until(performance.now() + 6000, paced), { startImmediately: true })
  yield* Effect.sleep("2 seconds")
  process.kill(nodes[0]!.pid, "SIGKILL")
  yield* Fiber.join(load)
  yield* Effect.sleep("6 seconds")
  let lost = 0
  let doubled = 0
  let expected = 0
  for (const { seen, topic } of ledger.got) {
    for (const id of ledger.answered[topic]!) {
      expected++
      if (!seen.has(id)) lost++
    }
    for (const times of seen.values()) doubled += times - 1
  }
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
  const result: Sample = {
    published: published / took,
    delivered: delivered / took,
    nodeMicros,
    redisMicros,
    memory,
    p50: at(0.5),
    p99: at(0.99),
    expected,
    lost,
    doubled
  }
  return result
})

const rows: ReadonlyArray<readonly [title: string, key: keyof Sample, digits: number]> = [
  ["publishes a second, answered", "published", 0],
  ["deliveries a second", "delivered", 0],
  ["processor time of the nodes for a delivery, us", "nodeMicros", 1],
  ["processor time of Redis for a publish, us", "redisMicros", 0],
  ["memory of a node, MiB", "memory", 0],
  [`latency at ${rate} a second, median, ms`, "p50", 1],
  [`latency at ${rate} a second, 99th percentile, ms`, "p99", 1],
  ["deliveries expected while a node is killed", "expected", 0],
  ["of these lost", "lost", 0],
  ["of these doubled", "doubled", 0]
]

const names = Object.keys(sides)

const program: Effect.Effect<void, unknown, Scope.Scope | NodeServices.NodeServices> = Effect.gen(function* () {
  const samples = new Map<string, Array<Sample>>(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of interleave(names, round)) {
      const result = yield* Effect.scoped(sample(name))
      samples.get(name)!.push(result)
      process.stderr.write(`round ${round + 1}: ${name} ${JSON.stringify(result)}\n`)
    }
  }
  const lines = [`| | ${names.join(" | ")} | ratio |`, "| --- | --- | --- | --- |"]
  for (const [title, key, digits] of rows) {
    const [first, second] = names.map((name) => samples.get(name)!.map((one) => one[key]))
    const ratio = median(ratios(first!, second!))
    const figures = [first!, second!].map((values) => median(values)!.toFixed(digits))
    lines.push(`| ${title} | ${figures.join(" | ")} | ${ratio === undefined ? "-" : ratio.toFixed(2)} |`)
  }
  process.stdout.write(`${lines.join("\n")}\n`)
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide([NodeServices.layer, Logger.layer([])])))
