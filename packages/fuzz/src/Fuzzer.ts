/**
 * The loop: makes inputs from a seed until the time is over or a problem is found, and makes what fails small.
 */
import * as Cost from "./Cost.ts"
import { mix, Random } from "./Random.ts"
import type { Input, Target } from "./Target.ts"

/** What does not hold, and for which input. */
export interface Finding {
  readonly target: string
  readonly input: Input
  /** `KIND: DETAIL`; smaller inputs are looked for that have a problem of the same kind. */
  readonly problem: string
}

/** What was done for one target. */
export interface Tally {
  inputs: number
  bytes: number
  slowestNanosPerByte: number
}

export interface Outcome {
  readonly finding: Finding | undefined
  readonly tallies: ReadonlyMap<string, Tally>
}

export interface Options {
  readonly seed: number
  /** Whether to stop, after so many inputs. */
  readonly until: (inputs: number) => boolean
  /** How long a failing input is made smaller, in milliseconds. Default: 10 seconds. */
  readonly patience?: number | undefined
}

/** One of so many inputs of a target is measured for what is held of it: that takes two collections. */
const memoryEvery = 400

/** Shorter inputs say nothing of the time for a byte, only of the clock. */
const shortest = 1024

/** Says what does not hold for an input. */
export const examine = async (target: Target, input: Input, measuresMemory = true): Promise<string | undefined> => {
  try {
    const problem = await target.check(input)
    if (problem !== undefined) return problem
    return (await Cost.time(target, input)) ?? (measuresMemory ? await Cost.memory(target, input) : undefined)
  } catch (error) {
    return `throws: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
  }
}

const kindOf = (problem: string): string => problem.slice(0, problem.indexOf(":"))

export const fuzz = async (targets: ReadonlyArray<Target>, options: Options): Promise<Outcome> => {
  const { seed, until } = options
  const tallies = new Map(
    targets.map((target): [string, Tally] => [target.name, { inputs: 0, bytes: 0, slowestNanosPerByte: 0 }])
  )
  for (let count = 0; !until(count); count++) {
    const target = targets[count % targets.length]!
    const random = new Random(mix(seed, count))
    const setup = random.pick(target.setups)
    const input: Input = { setup, bytes: await target.generate(random, setup) }
    const measuresMemory = Math.floor(count / targets.length) % memoryEvery === 0
    const problem = await examine(target, input, measuresMemory)
    const tally = tallies.get(target.name)!
    tally.inputs++
    tally.bytes += input.bytes.length
    if (problem !== undefined) return { finding: await minimize(target, input, problem, options.patience), tallies }
    if (input.bytes.length >= shortest && count % 64 < targets.length) {
      tally.slowestNanosPerByte = Math.max(tally.slowestNanosPerByte, await Cost.nanosPerByte(target, input))
    }
    // Timers and the thread pool have their turn.
    if (count % 256 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return { finding: undefined, tallies }
}

/** Leaves out whatever can be left out of an input that fails, and clears what can be cleared. */
const minimize = async (target: Target, failing: Input, found: string, patience = 10_000): Promise<Finding> => {
  const kind = kindOf(found)
  const end = performance.now() + patience
  let { bytes } = failing
  let problem = found
  const fails = async (candidate: Uint8Array): Promise<boolean> => {
    const other = await examine(target, { setup: failing.setup, bytes: candidate }, kind === "memory")
    if (other === undefined || kindOf(other) !== kind) return false
    bytes = candidate
    problem = other
    return true
  }
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < bytes.length && performance.now() < end;) {
      const without = new Uint8Array(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]))
      if (!(await fails(without))) at += size
    }
  }
  for (let at = 0; at < bytes.length && performance.now() < end; at++) {
    if (bytes[at] === 0) continue
    const cleared = bytes.slice()
    cleared[at] = 0
    await fails(cleared)
  }
  return { target: target.name, input: { setup: failing.setup, bytes }, problem }
}
