/**
 * Reads what the suite wrote, holds it against the cases that were asked for, and prints it.
 *
 * It is stricter than the suite: NON-STRICT is a failure, an unclean close is, and so is a case without a result.
 */
import * as Schema from "effect/Schema"
import * as Cases from "./Cases.ts"

const Result = Schema.Struct({ behavior: Schema.String, behaviorClose: Schema.String })

/** The suite's `index.json`: results by agent and case. */
export const Index = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Record(Schema.String, Result)))

/** Results by case. */
export type Results = (typeof Index.Type)[string]

export interface Verdict {
  readonly id: string
  readonly passed: boolean
  /** What the suite said of it, as one reads it: `OK`, `NON-STRICT`, `OK, close UNCLEAN`, `no result`. */
  readonly behavior: string
}

/** Cases in which the specification leaves the answer open: the suite observes and does not judge. */
const informational = new Set(["7.1.6", "7.13.1", "7.13.2"])

export const judge = (expected: ReadonlyArray<string>, results: Results): ReadonlyArray<Verdict> =>
  expected.map((id) => {
    const result = results[id]
    if (result === undefined) return { id, passed: false, behavior: "no result" }
    const { behavior, behaviorClose } = result
    const isFine = (outcome: string): boolean =>
      outcome === "OK" || (outcome === "INFORMATIONAL" && informational.has(id))
    return {
      id,
      passed: isFine(behavior) && isFine(behaviorClose),
      behavior: behaviorClose === "OK" || behaviorClose === behavior ? behavior : `${behavior}, close ${behaviorClose}`
    }
  })

/** Renders a table by group, each case that did not pass by name, and the totals. */
export const render = (verdicts: ReadonlyArray<Verdict>): string => {
  const groups = new Map<string, Array<Verdict>>()
  for (const verdict of verdicts) {
    const group = Cases.groupOf(verdict.id)
    const members = groups.get(group)
    if (members === undefined) groups.set(group, [verdict])
    else members.push(verdict)
  }
  const count = (members: ReadonlyArray<Verdict>, passed: boolean): number =>
    members.filter((verdict) => verdict.passed === passed).length
  const row = (...cells: ReadonlyArray<string | number>): string =>
    cells.map((cell, index) => (index === 0 ? String(cell).padEnd(6) : String(cell).padStart(8))).join("")
  const failures = verdicts.filter((verdict) => !verdict.passed)
  return [
    row("cases", "passed", "failed"),
    ...[...groups].map(([group, members]) => row(`${group}.*`, count(members, true), count(members, false))),
    ...(failures.length > 0 ? ["", ...failures.map(({ behavior, id }) => `${id.padEnd(8)} ${behavior}`)] : []),
    "",
    `${count(verdicts, true)} passed, ${failures.length} failed`
  ].join("\n")
}
