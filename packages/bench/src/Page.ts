/**
 * The page of figures: what `--json` wrote, as Markdown, one section for each group of rows. `docs/benchmarks.md` has
 * its prose written by hand and these sections between two marks, so that a new run changes the figures and nothing
 * else.
 */
import { figure, leastGiven, type Report, type Summary, type Table } from "./Report.ts"

/** Rows that are shown together. */
export interface Group {
  /** Names the chart's file. */
  readonly id: string
  readonly title: string
  /** What a ratio in its first table is of. */
  readonly measure: string
  readonly tables: ReadonlyArray<Table>
  readonly peers: ReadonlyArray<string>
}

const groups: ReadonlyArray<readonly [id: string, title: string, measure: string, row: RegExp]> = [
  ["messages", "Messages", "Processor time for a message", /^\d+x\d+x\d+[KM]?(-text)?$/],
  ["tls", "Messages over TLS", "Processor time for a message", /-tls$/],
  ["compression", "Compressed messages", "Processor time for a message", /^\d.*-json-deflate/],
  ["client", "Clients", "Processor time of the client for a message or a handshake", /^client-/],
  ["broadcast", "Broadcast", "Processor time for a delivery", /^broadcast-/],
  [
    "handshakes",
    "Handshakes and start-up",
    "Processor time for a handshake, and until it listens",
    /^(handshakes|startup)/
  ],
  ["memory", "Idle connections", "Resident memory for a connection", /^idle/],
  [
    "fairness",
    "Fairness",
    "How many times longer the slowest hundredth of quiet connections waits beside a busy one",
    /^fairness/
  ]
]

/** Sorts the rows of a report into groups; those without rows are left out. */
export const group = (report: Report): ReadonlyArray<Group> =>
  groups.flatMap(([id, title, measure, row]) => {
    const tables = report.rows.filter((table) => row.test(table.row))
    const peers = [...new Set(tables.flatMap((table) => table.entries.map((entry) => entry.peer)))]
    return tables.length === 0 ? [] : [{ id, title, measure, tables, peers }]
  })

/** The ratio that a row is about: of processor time where that was measured. */
export const ratioOf = ({ kind }: Table, entry: Summary): number | undefined =>
  kind === "rate" || kind === "start" ? entry.cpuToWs : entry.toWs

const own = ({ kind }: Table, { cpuMicros, value }: Summary): string => {
  switch (kind) {
    case "rate":
      return `${figure(cpuMicros, cpuMicros !== undefined && cpuMicros >= 100 ? 0 : 1)} us`
    case "start":
      return `${figure(cpuMicros === undefined ? undefined : cpuMicros / 1000, 0)} ms`
    case "memory":
      return `${figure(value, 1)} KiB`
    case "fairness":
      return figure(value, 1)
  }
}

const row = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const grid = ({ peers, tables }: Group, cell: (table: Table, entry: Summary) => string): string =>
  [
    row(["", ...peers]),
    row(["---", ...peers.map(() => "---:")]),
    ...tables.map((table) =>
      row([
        table.row,
        ...peers.map((peer) => {
          const entry = table.entries.find((entry) => entry.peer === peer)
          return entry === undefined ? "" : cell(table, entry)
        })
      ])
    )
  ].join("\n")

const range = ({ range: of }: Summary): string =>
  of === undefined ? "" : `<br>${figure(of[0], 2)} - ${figure(of[1], 2)}`

const section = (group: Group): string => {
  const first = grid(
    group,
    (table, entry) => `**${figure(ratioOf(table, entry), 2)}**${range(entry)}<br>${own(table, entry)}`
  )
  const parts = [
    `### ${group.title}`,
    `![${group.measure}, as a ratio to ws](benchmarks/${group.id}.svg)`,
    `${group.measure}: the ratio to \`ws\`, the least and greatest of the rounds, and the figure itself.`,
    first
  ]
  if (group.tables.some(({ kind }) => kind === "rate")) {
    const rates = grid(group, ({ kind, unit }, entry) =>
      kind === "rate"
        ? `**${figure(entry.toWs, 2)}**<br>${figure(entry.value, 0)}`
        : `**${figure(entry.toWs, 2)}**<br>${figure(entry.value, 0)} ${unit}`
    )
    parts.push(
      "The same run as a rate, a second, and its ratio to that of `ws` (more is better; start-up in milliseconds):",
      rates
    )
  }
  return parts.join("\n\n")
}

const conditions = ({ environment, rounds, seconds }: Report): string => {
  const { cores, date, loadAverage, memoryGiB, node, peers, pinning, processor, system } = environment
  return [
    `${date.slice(0, 10)}: ${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node.slice(1)}; ${rounds} rounds of ${seconds} s, ${pinning}, load average ${loadAverage} at the start. A dash is a ratio that was not made, because others took more than ${Math.round((1 - leastGiven) * 100)}% of the server's core.`,
    "",
    ...Object.entries(peers).map(([name, description]) => `- \`${name}\`: ${description}`)
  ].join("\n")
}

/** Writes the figures of a report as Markdown. */
export const render = (report: Report): string => [conditions(report), ...group(report).map(section)].join("\n\n")

const begin = "<!-- figures: written by `bench page` -->"
const end = "<!-- end of figures -->"

/** Puts figures between the marks of a page; throws an `Error` where it has none. */
export const insert = (page: string, figures: string): string => {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`a page with the lines ${begin} and ${end}`)
  return `${page.slice(0, from)}${begin}\n\n${figures}\n\n${page.slice(to)}`
}
