/** What a run brought, as text. */
import type { Outcome } from "./Verdict.ts"

/** Renders one server's run: a line for each behaviour, then what the server held before and after. */
export const render = (name: string, outcome: Outcome, problems: ReadonlyArray<string>): string => {
  const { after, before, peakRssKiB, tallies } = outcome
  const rows = [...tallies].map(([behaviour, { failures, ok }]) => {
    const count = failures.length === 0 ? String(ok) : `${ok}, ${failures.length} FAILED`
    return `  ${behaviour.padEnd(28)} ${count}`
  })
  const grown = (what: "fibers" | "descriptors"): string => `${what} ${before[what]} -> ${after[what]}`
  const memory = peakRssKiB === undefined ? "unknown" : `${Math.round(peakRssKiB / 1024)} MiB`
  return [
    `\n${name}`,
    ...rows,
    `  connections left ${after.connections}, ${grown("fibers")}, ${grown("descriptors")}, ` +
      `heap ${Math.round(before.heapKiB)} -> ${Math.round(after.heapKiB)} KiB, peak resident ${memory}`,
    ...problems.map((problem) => `  FAILED: ${problem}`)
  ].join("\n")
}
