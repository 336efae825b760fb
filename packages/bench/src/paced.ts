/**
 * The generator of `fairness.ts`, in a process of its own: quiet connections that send now and then and take the time,
 * and perhaps one that keeps sending. Prints one line of JSON.
 */
import type { Socket } from "node:net"
import { EchoReader, encodeMasked, makePayload, repeat } from "./Frames.ts"
import { mask, openAll, shared } from "./Load.ts"

/** What was measured: round trips of the quiet connections in microseconds, and what the busy one got. */
export interface Paced {
  readonly p50: number
  readonly p99: number
  readonly busyPerSecond: number
}

interface Job {
  readonly port: number
  readonly pid: number
  readonly busy: boolean
  readonly seconds: number
}

const quiet = 999
const every = 500
const depth = 64
// The compiler of a busy server is at work for the first seconds, on the core that is measured.
const warmup = 3000

const run = (job: Job): Promise<Paced> =>
  new Promise((resolve, reject) => {
    const small = makePayload("binary", 64)
    const large = makePayload("binary", 1024)
    const frame = encodeMasked("binary", small, mask)
    const block = repeat(encodeMasked("binary", large, mask), depth)
    const one = block.length / depth
    const sent = new Float64Array(quiet + 1)
    const trips: Array<number> = []
    let counting = false
    let busyCount = 0
    let sockets: ReadonlyArray<Socket> = []
    const handle = (index: number): ((length: number) => void) => {
      const reader = new EchoReader("server", "binary", index === quiet ? large : small)
      return (length) => {
        const completed = reader.read(shared, length)
        if (index === quiet) {
          if (completed > 0) sockets[quiet]!.write(block.subarray(0, completed * one))
          if (counting) busyCount += completed
        } else if (completed > 0 && counting) trips.push((performance.now() - sent[index]!) * 1000)
      }
    }
    openAll({ port: job.port, pid: job.pid }, quiet + 1, handle, reject, (opened) => {
      sockets = opened
      if (job.busy) sockets[quiet]!.write(block)
      let next = 0
      const began = performance.now()
      const pace = setInterval(() => {
        const due = ((performance.now() - began) / every) * quiet
        for (; next < due; next++) {
          sent[next % quiet] = performance.now()
          sockets[next % quiet]!.write(frame)
        }
      }, 1)
      setTimeout(() => (counting = true), warmup)
      setTimeout(
        () => {
          clearInterval(pace)
          trips.sort((a, b) => a - b)
          const at = (share: number): number => trips[Math.floor(trips.length * share)] ?? Number.NaN
          resolve({ p50: at(0.5), p99: at(0.99), busyPerSecond: busyCount / job.seconds })
        },
        warmup + job.seconds * 1000
      )
    })
  })

const exit = (code: number): void => process.exit(code)

process.stdin.on("end", () => exit(0)).resume()

run(JSON.parse(process.argv[2] ?? "{}") as Job).then(
  (result) => process.stdout.write(`${JSON.stringify(result)}\n`, () => exit(0)),
  (error: unknown) => process.stderr.write(`${error instanceof Error ? error.message : error}\n`, () => exit(1))
)
