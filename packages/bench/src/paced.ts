/**
 * The generator of the row `fairness`, in a process of its own: quiet connections that send now and then and take the
 * time, and perhaps one that keeps sending. Prints one line of JSON.
 */
import type { Socket } from "node:net"
import { EchoReader, encodeMasked, makePayload, repeat } from "./Frames.ts"
import { mask, measure, openAll, shared, type Window } from "./Load.ts"

/** What was measured: round trips of the quiet connections in microseconds, and the server's share of its core. */
export interface Paced {
  readonly p50: number
  readonly p99: number
  /** The share of its core that the server could have had. */
  readonly given: number | undefined
}

interface Job extends Window {
  readonly port: number
  readonly pid: number
  readonly core?: number | undefined
  readonly busy: boolean
}

const quiet = 999
const every = 500
const depth = 64

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
    let sockets: ReadonlyArray<Socket> = []
    const handle = (index: number): ((length: number) => void) => {
      const reader = new EchoReader("server", "binary", index === quiet ? large : small)
      return (length) => {
        const completed = reader.read(shared, length)
        if (index === quiet) {
          if (completed > 0) sockets[quiet]!.write(block.subarray(0, completed * one))
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
      setTimeout(() => (counting = true), job.warmup * 1000)
      measure(
        job,
        job,
        () => 0,
        ({ serverGiven }) => {
          clearInterval(pace)
          trips.sort((a, b) => a - b)
          const at = (share: number): number => trips[Math.floor(trips.length * share)] ?? Number.NaN
          resolve({ p50: at(0.5), p99: at(0.99), given: serverGiven })
        }
      )
    })
  })

const exit = (code: number): void => process.exit(code)

process.stdin.on("end", () => exit(0)).resume()

run(JSON.parse(process.argv[2] ?? "{}") as Job).then(
  (result) => process.stdout.write(`${JSON.stringify(result)}\n`, () => exit(0)),
  (error: unknown) => process.stderr.write(`${error instanceof Error ? error.message : error}\n`, () => exit(1))
)
