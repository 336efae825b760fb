/**
 * `bench http2`: WebSockets as streams of HTTP/2 sessions beside WebSockets with a TLS connection each, on one and the
 * same server. Each sample is a fresh server and a fresh generator; both versions are measured in every round, in
 * turns.
 */
import * as Certificates from "@effect-ws/test-support/Certificates"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Child from "../Child.ts"
import { find, pinned } from "../Pinning.ts"
import { rssKiB } from "../Proc.ts"
import { interleave, median, medianRatio, ratios } from "../Statistics.ts"
import type { Version } from "./Dial.ts"
import type { Counted, Job } from "./generator.ts"

/** The loads by their names. */
export const rows: Readonly<Record<string, Job["load"]>> = {
  "64x1x64": { mode: "echo", sockets: 64, bytes: 64 },
  "64x1x16K": { mode: "echo", sockets: 64, bytes: 16 * 1024 },
  handshakes: { mode: "handshakes", sockets: 64 },
  idle: { mode: "idle", sockets: 2000 },
  unread: { mode: "unread", sockets: 100 }
}

/** Picks rows by name; throws an `Error` whose message is what was expected. */
export const parse = (name: string): string => {
  if (name in rows) return name
  throw new Error(`a name among ${Object.keys(rows).join(", ")}`)
}

export interface Options {
  readonly rows: ReadonlyArray<string>
  readonly rounds: number
  readonly warmup: number
  readonly seconds: number
}

export interface Sample {
  readonly version: Version
  /** Echoes or handshakes a second, or KiB of resident memory for each socket. */
  readonly value: number | undefined
  /** Processor time of the server in microseconds, or KiB of JavaScript heap for each socket. */
  readonly cost: number | undefined
}

const startSeconds = 15
const openSeconds = 60

/** Takes one sample from a fresh server. */
export const take = Effect.fnUntraced(function* (
  version: Version,
  load: Job["load"],
  { seconds, warmup }: Pick<Options, "seconds" | "warmup">,
  { cert, key }: Certificates.Pair
) {
  const found = find()
  const cores = typeof found === "string" ? undefined : found
  const start = [process.execPath, "--expose-gc", Child.sourceFile("http2/server.ts")]
  const server = yield* Child.spawn("the server", pinned(cores?.server, start), { BENCH_CERT: cert, BENCH_KEY: key })
  const port = Number(/^listening (\d+)$/.exec(yield* server.line(startSeconds))?.[1])
  const heap = Effect.andThen(server.tell("heap"), server.line(startSeconds)).pipe(
    Effect.map((line) => Number(/^heap (\d+)$/.exec(line)?.[1]) / 1024)
  )
  const before = { heap: yield* heap, rss: rssKiB(server.pid) }
  const job: Job = { version, port, pid: server.pid, load, warmup, seconds }
  const generate = [process.execPath, Child.sourceFile("http2/generator.ts"), JSON.stringify(job)]
  const generator = yield* Child.spawn("the generator", pinned(cores?.generator, generate))
  const result: unknown = JSON.parse(yield* generator.line(warmup + seconds + openSeconds))
  if (load.mode === "idle" || load.mode === "unread") {
    yield* Effect.sleep(`${seconds} seconds`)
    const after = { heap: yield* heap, rss: rssKiB(server.pid) }
    const grown = before.rss === undefined || after.rss === undefined ? undefined : after.rss - before.rss
    const value = grown === undefined ? undefined : grown / load.sockets
    return { version, value, cost: (after.heap - before.heap) / load.sockets } satisfies Sample
  }
  const { count, seconds: took, serverCpuSeconds: cpu } = result as Counted
  return { version, value: count / took, cost: cpu === undefined ? undefined : (cpu / count) * 1e6 } satisfies Sample
}, Effect.scoped)

/** Runs the rows, and prints each as soon as it is done. */
export const run = Effect.fnUntraced(function* (options: Options) {
  const certificate = yield* Effect.promise(() =>
    Certificates.makeSelfSigned({ name: "localhost", ...Certificates.localhost })
  )
  yield* Console.log(`HTTP/2 beside HTTP/1.1 over TLS, medians of ${options.rounds} rounds of ${options.seconds} s`)
  for (const name of options.rows) {
    const load = rows[name]!
    const samples: Array<Sample> = []
    for (let round = 0; round < options.rounds; round++) {
      for (const version of interleave<Version>(["1.1", "2"], round)) {
        samples.push(yield* take(version, load, options, certificate))
      }
    }
    yield* Console.log(`\n${render(name, load, samples)}`)
  }
})

const render = (name: string, load: Job["load"], samples: ReadonlyArray<Sample>): string => {
  const units =
    load.mode === "idle" || load.mode === "unread"
      ? ["RSS KiB/socket", "heap KiB/socket"]
      : ["a second", "CPU us of the server for each"]
  const line = (unit: string, key: "value" | "cost"): string => {
    const of = (version: Version) => samples.filter((sample) => sample.version === version).map((sample) => sample[key])
    const [older, newer] = [of("1.1"), of("2")]
    const all = ratios(newer, older)
    const shown = (values: ReadonlyArray<number | undefined>): string =>
      (median(values.filter((value) => value !== undefined)) ?? NaN).toFixed(1).padStart(10)
    const ratio = medianRatio(newer, older)?.toFixed(2) ?? "-"
    const range = all.length === 0 ? "" : `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`
    return `  ${unit.padEnd(30)}${shown(older)}${shown(newer)}   ratio ${ratio} (${range})`
  }
  return [
    `${name.padEnd(32)}${"HTTP/1.1".padStart(10)}${"HTTP/2".padStart(10)}`,
    line(units[0]!, "value"),
    line(units[1]!, "cost")
  ].join("\n")
}
