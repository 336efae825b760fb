/**
 * What a run says at its end.
 */
import type { Outcome } from "./Fuzzer.ts"
import * as Replay from "./Replay.ts"

/** Renders a run: a table of what was done, and the problem with the command that runs its input again. */
export const report = ({ finding, tallies }: Outcome, seconds: number, seed: number): string => {
  const rows = [...tallies].map(
    ([name, { bytes, inputs, slowestNanosPerByte }]) =>
      `${name.padEnd(12)} ${String(inputs).padStart(8)} ${(bytes / 1e6).toFixed(1).padStart(8)} ${String(Math.round(slowestNanosPerByte)).padStart(14)}`
  )
  const table = ["target         inputs       MB  most ns a byte", ...rows, ""]
  if (finding === undefined)
    return [...table, `fuzz: ${seconds} seconds with seed ${seed}, no problem found`].join("\n")
  return [
    ...table,
    `fuzz: a problem with seed ${seed}, in ${finding.target} (${finding.input.setup})`,
    finding.problem,
    `input (${finding.input.bytes.length} bytes): ${Buffer.from(finding.input.bytes).toString("hex")}`,
    `replay with: npx -y pnpm@12 fuzz --replay ${Replay.format(finding)}`
  ].join("\n")
}
