/** The server process as the attack sees it: its port, what it holds, its memory, and how it stops. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import type { Held } from "./Verdict.ts"

export interface Server {
  readonly name: string
  readonly port: number
  /** Asks what the server holds now. */
  readonly held: () => Promise<Held>
  /** The most resident memory that was seen, in KiB. */
  readonly peakRssKiB: () => number | undefined
  /** Tells the server to stop, and waits for it; `undefined` where it does not within ten seconds. */
  readonly stop: () => Promise<number | undefined>
}

/** Runs `body` with a server that is gone afterwards, whatever happened. */
export const withServer = async <A>(
  server: "fiber" | "queue",
  transport: "tcp" | "tls",
  flags: ReadonlyArray<string>,
  body: (server: Server) => Promise<A>
): Promise<A> => {
  const subject = new URL("subject.ts", import.meta.url).pathname
  const child = spawn(process.execPath, ["--no-warnings", "--expose-gc", subject, server, transport, ...flags], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const exited = once(child, "exit") as Promise<[number | null]>
  // A server that dies is found out by what is asked of it next.
  child.stdin.on("error", () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async (): Promise<string> => {
    const { done, value } = await within(lines.next(), 20_000, "the server did not answer")
    if (done === true) throw new Error(`the server died, exit code ${(await exited)[0]}`)
    return value
  }
  let peak = 0
  const sampling = setInterval(() => (peak = Math.max(peak, rssKiB(child.pid!))), 200)
  try {
    const port = Number(await line())
    return await body({
      name: `${server} over ${transport}`,
      port,
      held: async () => {
        child.stdin.write("held\n")
        return JSON.parse(await line()) as Held
      },
      peakRssKiB: () => (peak === 0 ? undefined : peak),
      stop: async () => {
        child.kill("SIGTERM")
        const exit = await within(exited, 10_000, "").catch(() => undefined)
        return exit === undefined ? undefined : (exit[0] ?? -1)
      }
    })
  } finally {
    clearInterval(sampling)
    child.kill("SIGKILL")
  }
}

const within = <A>(promise: Promise<A>, millis: number, otherwise: string): Promise<A> => {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), millis)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const rssKiB = (pid: number): number => {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0)
  } catch {
    return 0
  }
}
