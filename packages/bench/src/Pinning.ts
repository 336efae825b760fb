/**
 * Which processor core runs what. The server gets one core and the generator another, or else the scheduler moves them
 * about and two runs of the same server differ by more than two servers do.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"

/** The cores of the server and of the generator. */
export interface Pinning {
  readonly server: number
  readonly generator: number
}

/** Reads a list of cores as Linux writes it, such as `0-3,8`. */
export const parseCores = (list: string): ReadonlyArray<number> =>
  list.split(",").flatMap((range) => {
    const [first, last = first] = range.trim().split("-").map(Number)
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i)
  })

const allowedCores = (): ReadonlyArray<number> => {
  try {
    const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]
    return list === undefined ? [] : parseCores(list)
  } catch {
    return []
  }
}

/** Finds two cores to pin to, or tells why there are none. */
export const find = (): Pinning | string => {
  const [server, generator] = allowedCores()
  if (server === undefined) return "cores can be chosen on Linux only"
  if (generator === undefined) return "this machine has one core only: the generator takes time from the server"
  const tried = spawnSync("taskset", ["-c", String(generator), "true"])
  return tried.status === 0 ? { server, generator } : "taskset is not installed"
}

/** Gives the command that runs `command` on a core; `taskset` replaces itself, so the process id is the program's. */
export const pinned = (core: number | undefined, command: ReadonlyArray<string>): ReadonlyArray<string> =>
  core === undefined ? command : ["taskset", "-c", String(core), ...command]
