/**
 * Turns samples into the tables that are printed and the object that `--json` writes. Processor time comes first: it is
 * the steadiest figure, and means something even where the generator is the bottleneck.
 */
import type { Environment } from "./Environment.ts"
import type { Row } from "./Row.ts"
import type { Sample } from "./Sample.ts"
import { median, medianRatio, ratios } from "./Statistics.ts"

/** One peer in one row. A round that failed is `undefined` in `samples`, and says why in `failures`. */
export interface Entry {
  readonly peer: string
  readonly samples: ReadonlyArray<Sample | undefined>
  readonly failures: ReadonlyArray<string>
}

/** One peer in one row, summed up: medians over the rounds, and medians of the rounds' ratios. */
export interface Summary extends Entry {
  readonly value: number | undefined
  readonly cpuMicros: number | undefined
  readonly heapKiB: number | undefined
  readonly given: number | undefined
  readonly generatorBusy: number | undefined
  /** The figure of the row over that of ws. */
  readonly toWs: number | undefined
  readonly cpuToWs: number | undefined
  readonly heapToWs: number | undefined
  /** The least and the greatest of the rounds' ratios: of processor time where there is any, else of the figure. */
  readonly range: readonly [number, number] | undefined
  /** The rounds whose ratios were left out, because others took too much of the core. */
  readonly refused: number
}

/** What a row measures. */
export type Kind = "rate" | "memory" | "start" | "fairness"

/** One finished row. */
export interface Table {
  readonly row: string
  readonly kind: Kind
  readonly unit: string
  readonly entries: ReadonlyArray<Summary>
}

/** All of a run, as `--json` writes it. */
export interface Report {
  readonly environment: Environment
  readonly rounds: number
  readonly seconds: number
  readonly rows: ReadonlyArray<Table>
}

/** The least share of its core that a peer must have had for its ratio to count. */
export const leastGiven = 0.9

const isTrusted = (sample: Sample): boolean => sample.given === undefined || sample.given >= leastGiven

const pick = (entry: Entry | undefined, key: keyof Sample): ReadonlyArray<number | undefined> =>
  entry?.samples.map((sample) => (sample !== undefined && isTrusted(sample) ? sample[key] : undefined)) ?? []

const middle = (entry: Entry, key: keyof Sample): number | undefined =>
  median(entry.samples.map((sample) => sample?.[key]).filter((value) => value !== undefined))

const rangeOf = (values: ReadonlyArray<number>): readonly [number, number] | undefined =>
  values.length === 0 ? undefined : [Math.min(...values), Math.max(...values)]

const kinds: Readonly<Record<Row["load"]["mode"], readonly [Kind, string]>> = {
  echo: ["rate", "msgs/s"],
  "client-echo": ["rate", "msgs/s"],
  broadcast: ["rate", "deliveries/s"],
  handshakes: ["rate", "handshakes/s"],
  "client-handshakes": ["rate", "handshakes/s"],
  idle: ["memory", "KiB/conn"],
  startup: ["start", "ms"],
  fairness: ["fairness", "times"]
}

/** Sums up a row. */
export const summarize = (row: Row, entries: ReadonlyArray<Entry>): Table => {
  const ws = entries.find((entry) => entry.peer === "ws")
  const [kind, unit] = kinds[row.load.mode]
  return {
    row: row.name,
    kind,
    unit,
    entries: entries.map((entry) => {
      const key = kind === "rate" || kind === "start" ? "cpuMicros" : "value"
      return {
        ...entry,
        value: middle(entry, "value"),
        cpuMicros: middle(entry, "cpuMicros"),
        heapKiB: middle(entry, "heapKiB"),
        given: middle(entry, "given"),
        generatorBusy: middle(entry, "generatorBusy"),
        toWs: medianRatio(pick(entry, "value"), pick(ws, "value")),
        cpuToWs: medianRatio(pick(entry, "cpuMicros"), pick(ws, "cpuMicros")),
        heapToWs: medianRatio(pick(entry, "heapKiB"), pick(ws, "heapKiB")),
        range: entry === ws ? undefined : rangeOf(ratios(pick(entry, key), pick(ws, key))),
        refused: entry.samples.filter((sample) => sample !== undefined && !isTrusted(sample)).length
      }
    })
  }
}

/** Writes a number with a fixed number of digits after the decimal point, or a dash. */
export const figure = (value: number | undefined, digits: number): string =>
  value === undefined
    ? "-"
    : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })

const percent = (value: number | undefined): string => (value === undefined ? "-" : `${Math.round(value * 100)}%`)

interface Column {
  readonly title: string
  readonly cell: (entry: Summary) => string
}

const range: Column = {
  title: "from - to",
  cell: ({ range: of }) => (of === undefined ? "-" : `${figure(of[0], 2)} - ${figure(of[1], 2)}`)
}

const toWs: Column = { title: "to ws", cell: (entry) => figure(entry.toWs, 2) }

const cpuToWs: Column = { title: "CPU to ws", cell: (entry) => figure(entry.cpuToWs, 2) }

const columns = ({ kind, unit }: Table): ReadonlyArray<Column> => {
  switch (kind) {
    case "rate":
      return [
        { title: "CPU us", cell: (entry) => figure(entry.cpuMicros, 2) },
        cpuToWs,
        range,
        { title: unit, cell: (entry) => figure(entry.value, 0) },
        toWs,
        { title: "core", cell: (entry) => percent(entry.given) },
        { title: "generator", cell: (entry) => percent(entry.generatorBusy) }
      ]
    case "memory":
      return [
        { title: "RSS KiB/conn", cell: (entry) => figure(entry.value, 1) },
        toWs,
        range,
        { title: "heap KiB/conn", cell: (entry) => figure(entry.heapKiB, 1) },
        { title: "heap to ws", cell: (entry) => figure(entry.heapToWs, 2) }
      ]
    case "start":
      return [
        {
          title: "CPU ms",
          cell: ({ cpuMicros }) => figure(cpuMicros === undefined ? undefined : cpuMicros / 1000, 0)
        },
        cpuToWs,
        range,
        { title: unit, cell: (entry) => figure(entry.value, 0) },
        toWs
      ]
    case "fairness":
      return [{ title: "p99 beside / alone", cell: (entry) => figure(entry.value, 2) }, toWs, range]
  }
}

const notes = ({ entries }: Table): ReadonlyArray<string> =>
  entries.flatMap(({ failures, given, peer, refused }) => [
    ...failures.map((failure) => `  failed: ${failure}`),
    ...(refused === 0
      ? []
      : [`  ${peer}: no ratio for ${refused} rounds, others used its core (it was given ${percent(given)})`])
  ])

/** Lays out a row: the first column to the left, the others to the right. */
export const renderTable = (table: Table): string => {
  const shown = [{ title: "", cell: (entry: Summary) => entry.peer }, ...columns(table)]
  const lines = [
    shown.map((column) => column.title),
    ...table.entries.map((entry) => shown.map((column) => column.cell(entry)))
  ]
  const widths = shown.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  const body = lines.map((line) =>
    line
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd()
  )
  return [table.row, ...body, ...notes(table)].join("\n")
}

/** Lays out what stands above the tables. */
export const renderHeader = (environment: Environment, rounds: number, seconds: number): string =>
  [
    `${environment.date}  ${environment.processor}, ${environment.cores} cores, ${environment.memoryGiB} GiB, ` +
      `${environment.system}, node ${environment.node}`,
    `${rounds} rounds of ${seconds} s, ${environment.pinning}, load average at the start ${environment.loadAverage}`,
    ...Object.entries(environment.peers).map(([name, description]) => `  ${name}: ${description}`),
    ...Object.entries(environment.missing).map(([name, reason]) => `  left out: ${name}, ${reason}`),
    "CPU us is the processor time of the server, or in the rows of clients of the client, for each message: below 1.00",
    '"to ws" it takes less. "from - to" are the rounds in which that ratio was least and greatest. "core" is the share',
    `of its core that it could have had; no ratio is made of a round in which that was below ${percent(leastGiven)}.`,
    '"generator" is how busy what measures it was: near 100 %, it is the bottleneck, and messages a second say little.'
  ].join("\n")
