/**
 * What Linux tells about another process: processor time and resident memory. Elsewhere there is no `/proc`, and the
 * answer is `undefined`, which the report shows as a dash.
 */
import { readFileSync } from "node:fs"

// /proc/PID/stat counts in USER_HZ, which is 100 on every Linux that Node runs on.
const ticksPerSecond = 100

const readProc = (file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${file}`, "latin1")
  } catch {
    return undefined
  }
}

/** Extracts the seconds of processor time, user and system, all threads, from the text of `/proc/PID/stat`. */
export const parseCpuSeconds = (stat: string): number => {
  // The name of the program is in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Extracts the resident memory in KiB from the text of `/proc/PID/status`. */
export const parseRssKiB = (status: string): number | undefined => {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(status)
  return match === null ? undefined : Number(match[1])
}

/**
 * Extracts from the text of `/proc/stat` the seconds in which a core ran programs or was kept from this machine by its
 * host. Interrupts do not count: those of a server's own packets are among them, and its processor time is without
 * them.
 */
export const parseCoreSeconds = (stat: string, core: number): number | undefined => {
  const line = new RegExp(`^cpu${core} (.*)$`, "m").exec(stat)?.[1]
  if (line === undefined) return undefined
  const [user = 0, nice = 0, system = 0, , , , , stolen = 0] = line.split(" ").map(Number)
  return (user + nice + system + stolen) / ticksPerSecond
}

/** Reads for how long a core has run programs, whichever they were. */
export const coreSeconds = (core: number): number | undefined => {
  const stat = readProc("stat")
  return stat === undefined ? undefined : parseCoreSeconds(stat, core)
}

/** Reads the processor time that a process has used, in seconds. */
export const cpuSeconds = (pid: number): number | undefined => {
  const stat = readProc(`${pid}/stat`)
  return stat === undefined ? undefined : parseCpuSeconds(stat)
}

/** Reads the resident memory of a process, in KiB. */
export const rssKiB = (pid: number): number | undefined => {
  const status = readProc(`${pid}/status`)
  return status === undefined ? undefined : parseRssKiB(status)
}
