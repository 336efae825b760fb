/**
 * Turns samples into the tables that are printed and the object that `--json` writes.
 */
import type { Environment } from "./Environment.ts"
import type { Row } from "./Row.ts"
import type { Sample } from "./Sample.ts"
import { isTie, median, medianRatio, ratios } from "./Statistics.ts"

/** One server in one row. A round that failed is `undefined` in `samples`, and says why in `failures`. */
export interface Entry {
  readonly peer: string
  readonly samples: ReadonlyArray<Sample | undefined>
  readonly failures: ReadonlyArray<string>
}

/** One server in one row, summed up: medians over the rounds, and medians of the rounds' ratios. */
export interface Summary extends Entry {
  readonly value: number | undefined
  readonly cpuMicros: number | undefined
  readonly heapKiB: number | undefined
  readonly serverBusy: number | undefined
  readonly generatorBusy: number | undefined
  readonly toWs: number | undefined
  /** The least and the greatest of the rounds' ratios to ws. */
  readonly toWsRange: readonly [number, number] | undefined
  readonly cpuToWs: number | undefined
  readonly heapToWs: number | undefined
  readonly toFloor: number | undefined
  /** The gap to ws is under 10 %. */
  readonly tie: boolean
}

/** One finished row. */
export interface Table {
  readonly row: string
  readonly unit: string
  readonly better: "more" | "less"
  readonly entries: ReadonlyArray<Summary>
}

/** All of a run, as `--json` writes it. */
export interface Report {
  readonly environment: Environment
  readonly rounds: number
  readonly seconds: number
  readonly rows: ReadonlyArray<Table>
}

const pick = (entry: Entry | undefined, key: keyof Sample): ReadonlyArray<number | undefined> =>
  entry?.samples.map((sample) => sample?.[key]) ?? []

const middle = (entry: Entry, key: keyof Sample): number | undefined =>
  median(pick(entry, key).filter((value) => value !== undefined))

const range = (values: ReadonlyArray<number>): readonly [number, number] | undefined =>
  values.length === 0 ? undefined : [Math.min(...values), Math.max(...values)]

const units = {
  echo: "msgs/s",
  "client-echo": "msgs/s",
  broadcast: "deliveries/s",
  handshakes: "handshakes/s",
  "client-handshakes": "handshakes/s"
} as const

/** Sums up a row. */
export const summarize = (row: Row, entries: ReadonlyArray<Entry>): Table => {
  const ws = entries.find((entry) => entry.peer === "ws")
  const floor = entries.find((entry) => entry.peer === "floor")
  const idle = row.load.mode === "idle"
  return {
    row: row.name,
    unit: row.load.mode === "idle" ? "KiB/conn" : units[row.load.mode],
    better: idle ? "less" : "more",
    entries: entries.map((entry) => {
      const toWs = medianRatio(pick(entry, "value"), pick(ws, "value"))
      return {
        ...entry,
        value: middle(entry, "value"),
        cpuMicros: middle(entry, "cpuMicros"),
        heapKiB: middle(entry, "heapKiB"),
        serverBusy: middle(entry, "serverBusy"),
        generatorBusy: middle(entry, "generatorBusy"),
        toWs,
        toWsRange: entry === ws ? undefined : range(ratios(pick(entry, "value"), pick(ws, "value"))),
        cpuToWs: medianRatio(pick(entry, "cpuMicros"), pick(ws, "cpuMicros")),
        heapToWs: medianRatio(pick(entry, "heapKiB"), pick(ws, "heapKiB")),
        toFloor: medianRatio(pick(entry, "value"), pick(floor, "value")),
        tie: entry !== ws && toWs !== undefined && isTie(toWs)
      }
    })
  }
}

const figure = (value: number | undefined, digits: number): string =>
  value === undefined
    ? "-"
    : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })

const percent = (value: number | undefined): string => (value === undefined ? "-" : `${Math.round(value * 100)}%`)

interface Column {
  readonly title: string
  readonly cell: (entry: Summary) => string
}

const columns = (table: Table): ReadonlyArray<Column> => {
  const compared: ReadonlyArray<Column> = [
    { title: "to ws", cell: (entry) => figure(entry.toWs, 2) + (entry.tie ? " tie" : "    ") },
    {
      title: "from - to",
      cell: ({ toWsRange: of }) => (of === undefined ? "-" : `${figure(of[0], 2)} - ${figure(of[1], 2)}`)
    },
    { title: "to floor", cell: (entry) => figure(entry.toFloor, 2) }
  ]
  const own: ReadonlyArray<Column> =
    table.better === "less"
      ? [
          { title: "RSS KiB/conn", cell: (entry) => figure(entry.value, 1) },
          ...compared,
          { title: "heap KiB/conn", cell: (entry) => figure(entry.heapKiB, 1) },
          { title: "heap to ws", cell: (entry) => figure(entry.heapToWs, 2) }
        ]
      : [
          { title: table.unit, cell: (entry) => figure(entry.value, 0) },
          ...compared,
          { title: "CPU us", cell: (entry) => figure(entry.cpuMicros, 2) },
          { title: "CPU to ws", cell: (entry) => figure(entry.cpuToWs, 2) },
          { title: "busy", cell: (entry) => `${percent(entry.serverBusy)} / ${percent(entry.generatorBusy)}` }
        ]
  return [{ title: "", cell: (entry) => entry.peer }, ...own]
}

/** Lays out a row: the first column to the left, the others to the right. */
export const renderTable = (table: Table): string => {
  const shown = columns(table)
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
  const failures = table.entries.flatMap((entry) => entry.failures.map((failure) => `  failed: ${failure}`))
  return [`${table.row} (${table.better} is better)`, ...body, ...failures].join("\n")
}

/** Lays out what stands above the tables. */
export const renderHeader = (environment: Environment, rounds: number, seconds: number): string =>
  [
    `${environment.date}  ${environment.processor}, ${environment.cores} cores, ${environment.memoryGiB} GiB, ` +
      `${environment.system}, node ${environment.node}`,
    `${rounds} rounds of ${seconds} s, ${environment.pinning}, load average at the start ${environment.loadAverage}`,
    ...Object.entries(environment.peers).map(([name, description]) => `  ${name}: ${description}`),
    ...Object.entries(environment.missing).map(([name, reason]) => `  left out: ${name}, ${reason}`),
    "busy is the share of its core that the server / the generator used, or in the rows of clients the client / its",
    "partner: where the second is near 100 % it is the bottleneck, and only CPU us (the first one's processor time per",
    "message) tells them apart.",
    `"tie" is a gap to ws under 10 %; "from - to" are the rounds in which the ratio was least and greatest.`
  ].join("\n")
