/**
 * What every measured server has in common besides echoing: it says which port it got, tells its heap when asked, and
 * ends when its standard input does, so that none outlives the runner. Nothing of this runs while load does.
 */

const collect = (): void => {
  const collector = (globalThis as { readonly gc?: () => void }).gc
  if (collector !== undefined) for (let i = 0; i < 4; i++) collector()
}

// Bun counts differently, what its sockets hold outside the heap included or not; no figure is better than that one.
const heapUsed = (): number | undefined =>
  process.versions["bun"] === undefined ? process.memoryUsage().heapUsed : undefined

/** How the row wants messages compressed, if at all: see `Deflated.ts`. */
export const compression = process.env["BENCH_DEFLATE"] as "each" | "takeover" | undefined

/** The certificate of the row, where it is over TLS. */
export const certificate =
  process.env["BENCH_TLS"] === undefined
    ? undefined
    : (JSON.parse(process.env["BENCH_TLS"]) as { readonly cert: string; readonly key: string })

/** Serves the runner's questions, and ends with it. */
export const obey = (): void => {
  process.stdin.on("data", () => {
    collect()
    process.stdout.write(`heap ${heapUsed() ?? "unknown"}\n`)
  })
  process.stdin.on("end", () => process.exit(0))
}

/** Announces the port and serves the runner's questions. */
export const announce = (port: number): void => {
  obey()
  process.stdout.write(`listening ${port}\n`)
}
