/**
 * The generator of `bench http2`, in a process of its own: one load in one version of HTTP. Prints one line of JSON,
 * and ends with its standard input.
 */
import { once } from "node:events"
import type { Duplex } from "node:stream"
import { encodeMasked, makePayload } from "../Frames.ts"
import { closing, mask } from "../Load.ts"
import { cpuSeconds } from "../Proc.ts"
import { http1, http2, type Dialer, type Version } from "./Dial.ts"

/** What the generator does. */
export interface Job {
  readonly version: Version
  readonly port: number
  readonly pid: number
  readonly load:
    | { readonly mode: "echo"; readonly sockets: number; readonly bytes: number }
    | { readonly mode: "handshakes"; readonly sockets: number }
    | { readonly mode: "idle"; readonly sockets: number }
    /** Sends without end to a program that does not read. */
    | { readonly mode: "unread"; readonly sockets: number }
  readonly warmup: number
  readonly seconds: number
}

/** What it counted: echoes or handshakes, and the server's processor time for them. */
export interface Counted {
  readonly count: number
  readonly seconds: number
  readonly serverCpuSeconds: number | undefined
}

const measure = async ({ pid, seconds, warmup }: Job, count: () => number): Promise<Counted> => {
  await sleep(warmup)
  const began = performance.now()
  const counted = count()
  const used = cpuSeconds(pid)
  await sleep(seconds)
  const after = cpuSeconds(pid)
  return {
    count: count() - counted,
    seconds: (performance.now() - began) / 1000,
    serverCpuSeconds: used === undefined || after === undefined ? undefined : after - used
  }
}

const sleep = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

const openAll = async (dialer: Dialer, count: number, path?: string): Promise<ReadonlyArray<Duplex>> => {
  const open: Array<Duplex> = []
  while (open.length < count) {
    const some = Array.from({ length: Math.min(50, count - open.length) }, () => dialer.open(path))
    open.push(...(await Promise.all(some)))
  }
  return open
}

const echo = async (dialer: Dialer, job: Job, sockets: number, bytes: number): Promise<Counted> => {
  const frame = encodeMasked("binary", makePayload("binary", bytes), mask)
  const echoLength = frame.length - 4
  let received = 0
  for (const socket of await openAll(dialer, sockets)) {
    let missing = echoLength
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length
      missing -= chunk.length
      if (missing < 0) throw new Error("the server sent more than it got")
      if (missing > 0) return
      missing = echoLength
      socket.write(frame)
    })
    socket.write(frame)
  }
  return measure(job, () => received / echoLength)
}

/** Opens a WebSocket, closes it by the closing handshake, over and over. */
const handshakes = (dialer: Dialer, job: Job, sockets: number): Promise<Counted> => {
  let count = 0
  const visit = async (): Promise<void> => {
    for (;;) {
      const socket = await dialer.open()
      socket.resume()
      socket.end(closing)
      await once(socket, "close")
      count++
    }
  }
  return new Promise((resolve, reject) => {
    for (let at = 0; at < sockets; at++) visit().catch(reject)
    measure(job, () => count).then(resolve, reject)
  })
}

/** Sends on all sockets until none takes anything more, and gives how many bytes each took. */
const flood = async (dialer: Dialer, count: number): Promise<{ readonly taken: number }> => {
  const frame = encodeMasked("binary", makePayload("binary", 16 * 1024), mask)
  let taken = 0
  for (const socket of await openAll(dialer, count, "/unread")) {
    const next = (error?: Error | null): void => {
      if (error !== undefined && error !== null) return
      taken += frame.length
      socket.write(frame, next)
    }
    socket.write(frame, next)
  }
  for (let before = -1; before !== taken;) {
    before = taken
    await sleep(3)
  }
  return { taken: taken / count }
}

const run = async (job: Job): Promise<unknown> => {
  const dialer = job.version === "2" ? http2(job.port) : http1(job.port)
  const { load } = job
  if (load.mode === "echo") return echo(dialer, job, load.sockets, load.bytes)
  if (load.mode === "handshakes") return handshakes(dialer, job, load.sockets)
  if (load.mode === "unread") return flood(dialer, load.sockets)
  return { opened: (await openAll(dialer, load.sockets)).length }
}

const exit = (code: number): void => process.exit(code)

process.stdin.on("end", () => exit(0)).resume()

run(JSON.parse(process.argv[2] ?? "{}") as Job).then(
  (result) => process.stdout.write(`${JSON.stringify(result)}\n`),
  (error: unknown) => process.stderr.write(`${error instanceof Error ? error.message : error}\n`, () => exit(1))
)
