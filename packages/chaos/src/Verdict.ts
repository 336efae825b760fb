/**
 * What must hold after a run: no peer that kept the rules was harmed, every other is gone, and nothing of them is
 * left in the server. Plain functions over numbers, so that a test can show each of them fail.
 */

/** What a server holds, counted when it has nothing to do. */
export interface Held {
  readonly connections: number
  readonly fibers: number
  readonly descriptors: number
  readonly heapKiB: number
}

/** How often a behaviour ended as it should, and what went wrong where it did not. */
export interface Tally {
  ok: number
  readonly failures: Array<string>
}

/** What one run against one server brought. */
export interface Outcome {
  readonly tallies: ReadonlyMap<string, Tally>
  /** After a first short round of every behaviour, when what is made once has been made. */
  readonly before: Held
  readonly after: Held
  /** The most resident memory seen, in KiB; `undefined` where the system does not tell. */
  readonly peakRssKiB: number | undefined
  /** The exit code of the server when it was told to stop while peers were stuck; `undefined` if it did not in time. */
  readonly exitCode: number | undefined
}

/** The most resident memory that a server may take while it is attacked, in KiB. */
export const mostRssKiB = 640 * 1024
/** How much more heap may be in use after the run than before, in KiB. */
export const mostHeapGrowthKiB = 4 * 1024
// A descriptor or fiber may belong to work in progress, such as a timer of the runtime.
const slack = 2

/** Returns a line for each thing that does not hold. */
export const judge = ({ after, before, exitCode, peakRssKiB, tallies }: Outcome): ReadonlyArray<string> => {
  const problems: Array<string> = []
  for (const [behaviour, { failures, ok }] of tallies) {
    if (failures.length > 0) {
      problems.push(`${behaviour}: ${failures.length} of ${ok + failures.length} failed, first: ${failures[0]}`)
    }
    if (ok + failures.length === 0) problems.push(`${behaviour}: never ran`)
  }
  if (after.connections > 0) problems.push(`${after.connections} connections are open that no peer holds`)
  for (const what of ["fibers", "descriptors"] as const) {
    if (after[what] > before[what] + slack) problems.push(`${what} grew from ${before[what]} to ${after[what]}`)
  }
  if (after.heapKiB > before.heapKiB + mostHeapGrowthKiB) {
    problems.push(`the heap in use grew from ${Math.round(before.heapKiB)} to ${Math.round(after.heapKiB)} KiB`)
  }
  if (peakRssKiB !== undefined && peakRssKiB > mostRssKiB) {
    problems.push(`resident memory reached ${Math.round(peakRssKiB / 1024)} MiB, the limit is ${mostRssKiB / 1024}`)
  }
  if (exitCode !== 0) {
    problems.push(
      exitCode === undefined ? "the server did not stop when told to" : `the server exited with ${exitCode}`
    )
  }
  return problems
}
