/**
 * The command line of the benchmark: `bench [ROW]... [--peers a,b] [--rounds N] [--json FILE]` over sockets,
 * `bench micro [ROW]... [--peers a,b] [--rounds N] [--base CHECKOUT]` in process; `bench page REPORT PAGE` writes
 * figures into a page.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { BenchError } from "./Child.ts"
import { isBroadcastLoad } from "./BroadcastRow.ts"
import { isClientLoad } from "./ClientRow.ts"
import * as Chart from "./Chart.ts"
import * as Environment from "./Environment.ts"
import * as Http2Bench from "./http2/Http2Bench.ts"
import * as MicroBench from "./micro/MicroBench.ts"
import * as MicroRow from "./micro/MicroRow.ts"
import * as Page from "./Page.ts"
import * as Peer from "./Peer.ts"
import * as Pinning from "./Pinning.ts"
import * as Report from "./Report.ts"
import * as Row from "./Row.ts"
import * as Sample from "./Sample.ts"
import { interleave } from "./Statistics.ts"

const found = Peer.discover()

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const between =
  (min: number, max: number) =>
  (value: number): number => {
    if (!(value >= min && value <= max)) throw new Error(`a number from ${min} to ${max}`)
    return value
  }

const rows = Argument.String("row").pipe(
  Argument.withDescription(
    `CONNECTIONSxDEPTHxBYTES[K|M][-text|-tls|-json-deflate], idle, handshakes, broadcast-CONNECTIONS, startup or fairness, or with client- before it; all of ${Row.standard.join(" ")}`
  ),
  Argument.mapTryCatch(Row.parse, messageOf),
  Argument.variadic()
)

const peers = Flag.String("peers").pipe(
  Flag.withDescription(
    `Servers and clients, with commas between them: ${found.available.map((peer) => peer.name).join(",")}`
  ),
  Flag.mapTryCatch((names) => Peer.select(found, names.split(",")), messageOf),
  Flag.withDefault(found.available)
)

const rounds = Flag.Int("rounds").pipe(
  Flag.withDescription("How often each server is measured in each row"),
  Flag.mapTryCatch(between(1, 100), messageOf),
  Flag.withDefault(3)
)

const seconds = Flag.Finite("seconds").pipe(
  Flag.withDescription("How long one measurement takes"),
  Flag.mapTryCatch(between(0.1, 60), messageOf),
  Flag.withDefault(2)
)

const warmup = Flag.Finite("warmup").pipe(
  Flag.withDescription("How long the load runs before a measurement, in seconds"),
  Flag.mapTryCatch(between(0, 60), messageOf),
  Flag.withDefault(2)
)

const json = Flag.String("json").pipe(
  Flag.withDescription("Also write everything that was measured to this file"),
  Flag.optional
)

const base = Flag.String("base").pipe(
  Flag.withDescription("Another checkout of this repository, with its packages installed: its servers take part, too"),
  Flag.mapTryCatch((folder) => Peer.ofCheckout(MicroBench.findCheckout(folder)), messageOf),
  Flag.withDefault([] as ReadonlyArray<Peer.Peer>)
)

const demandsOf = (load: Row.Row["load"]): Peer.Demands => ({
  role: isClientLoad(load) ? "client" : isBroadcastLoad(load) ? "broadcast" : "server",
  compressed: "compression" in load && load.compression !== undefined,
  secure: "secure" in load && load.secure === true
})

const measureRow = Effect.fnUntraced(function* (
  row: Row.Row,
  peers: ReadonlyArray<Peer.Peer>,
  rounds: number,
  conditions: Sample.Conditions
) {
  const samples = new Map(peers.map((peer) => [peer.name, new Array<Sample.Sample | undefined>()]))
  const failures = new Map(peers.map((peer) => [peer.name, new Array<string>()]))
  for (let round = 0; round < rounds; round++) {
    for (const peer of interleave(peers, round)) {
      // To standard error, so that the tables can be kept.
      yield* Console.error(`${row.name}, round ${round + 1} of ${rounds}: ${peer.name}`)
      const result = yield* Effect.result(Sample.take(peer, row, conditions))
      samples.get(peer.name)!.push(Result.isSuccess(result) ? result.success : undefined)
      if (Result.isFailure(result)) failures.get(peer.name)!.push(`round ${round + 1}: ${result.failure.message}`)
    }
  }
  return Report.summarize(
    row,
    peers.map(({ name }) => ({ peer: name, samples: samples.get(name)!, failures: failures.get(name)! }))
  )
})

const bench = Command.make(
  "bench",
  { rows, peers, base, rounds, seconds, warmup, json },
  Effect.fnUntraced(function* (options) {
    const pinning = Pinning.find()
    const window = { warmup: options.warmup, seconds: options.seconds }
    const conditions = { window, pinning: typeof pinning === "string" ? undefined : pinning }
    const environment = Environment.describe(options.peers, found, pinning)
    yield* Console.log(Report.renderHeader(environment, options.rounds, options.seconds))

    const fs = yield* FileSystem.FileSystem
    const tables: Array<Report.Table> = []
    for (const row of options.rows.length === 0 ? Row.standard.map(Row.parse) : options.rows) {
      const peers = Peer.partaking([...options.peers, ...options.base], demandsOf(row.load))
      const table = yield* measureRow(row, peers, options.rounds, conditions)
      tables.push(table)
      yield* Console.log(`\n${Report.renderTable(table)}`)
      // Written after every row, so that a run that is cut short leaves what it had.
      if (Option.isSome(options.json)) {
        const report: Report.Report = { environment, rounds: options.rounds, seconds: options.seconds, rows: tables }
        yield* fs.writeFileString(options.json.value, `${JSON.stringify(report, undefined, 2)}\n`)
      }
    }
    const failed = tables.flatMap((table) => table.entries.flatMap((entry) => entry.failures)).length
    if (failed > 0) return yield* new BenchError({ message: `${failed} measurements failed` })
  })
).pipe(Command.withDescription("Measures WebSocket servers side by side and prints ratios"))

const micro = Command.make(
  "micro",
  {
    rows: Argument.String("row").pipe(
      Argument.withDescription(`Rows to run; all of ${MicroRow.standard.join(" ")} where none is named`),
      Argument.mapTryCatch(MicroRow.parse, messageOf),
      Argument.variadic()
    ),
    peers: Flag.String("peers").pipe(
      Flag.withDescription("Peers to run beside ws, with commas between them (default: all)"),
      Flag.mapTryCatch((names) => MicroBench.select(names.split(",")), messageOf),
      Flag.optional
    ),
    rounds,
    base: Flag.String("base").pipe(
      Flag.withDescription("Another checkout of this repository, with its packages installed, to compare with"),
      Flag.mapTryCatch(MicroBench.findCheckout, messageOf),
      Flag.optional
    )
  },
  ({ base, peers, rounds, rows }) =>
    MicroBench.run({
      rows: rows.length === 0 ? MicroRow.standard.map(MicroRow.parse) : rows,
      rounds,
      base: Option.getOrUndefined(base),
      peers: Option.getOrUndefined(peers)
    })
).pipe(Command.withDescription("Measures in one process, without sockets, what a message or a handshake costs"))

const page = Command.make(
  "page",
  {
    report: Argument.File("report").pipe(Argument.withDescription("What `--json` wrote")),
    into: Argument.File("page").pipe(
      Argument.withDescription("The page whose figures are replaced; its charts go into the folder of its name")
    )
  },
  Effect.fnUntraced(function* ({ into, report: file }) {
    const fs = yield* FileSystem.FileSystem
    const report = JSON.parse(yield* fs.readFileString(file)) as Report.Report
    const text = yield* fs.readFileString(into)
    const whole = yield* Effect.try({
      try: () => Page.insert(text, Page.render(report)),
      catch: (error) => new BenchError({ message: `expected ${messageOf(error)}` })
    })
    const folder = into.replace(/\.md$/, "")
    yield* fs.makeDirectory(folder, { recursive: true })
    for (const group of Page.group(report)) {
      yield* fs.writeFileString(`${folder}/${group.id}.svg`, yield* Effect.promise(() => Chart.draw(group)))
    }
    yield* fs.writeFileString(into, whole)
  })
).pipe(Command.withDescription("Writes the tables and charts of a report into a page"))

const http2 = Command.make(
  "http2",
  {
    rows: Argument.String("row").pipe(
      Argument.withDescription(`Rows to run; all of ${Object.keys(Http2Bench.rows).join(" ")} where none is named`),
      Argument.mapTryCatch(Http2Bench.parse, messageOf),
      Argument.variadic()
    ),
    rounds,
    warmup,
    seconds
  },
  ({ rows, ...options }) =>
    Http2Bench.run({ ...options, rows: rows.length === 0 ? Object.keys(Http2Bench.rows) : rows })
).pipe(Command.withDescription("Measures streams of one HTTP/2 session beside connections of HTTP/1.1, over TLS"))

bench.pipe(
  Command.withSubcommands([micro, http2, page]),
  Command.run({ version: "0.0.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
