/**
 * The in-process benchmark: every peer runs over the same fake stream, without a kernel, so that what is left is what a
 * library costs. Each figure is the least of several samples in each of several processes, which take turns, so that
 * two commits can be compared on a machine that is not quite quiet. It judges a change; rows over sockets judge a
 * release.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { sourceFile, spawn } from "../Child.ts"
import { interleave } from "../Statistics.ts"
import { here } from "./Checkout.ts"
import { clients, onDemand, servers } from "./MicroPeer.ts"
import type { MicroRow } from "./MicroRow.ts"
import { ways } from "./TypedPeer.ts"

/** A peer of one checkout. */
interface Candidate {
  readonly name: string
  readonly peer: string
  readonly checkout: string
  readonly values: Array<number>
}

export interface MicroOptions {
  readonly rows: ReadonlyArray<MicroRow>
  readonly rounds: number
  /** Another checkout of this repository, to compare with. */
  readonly base: string | undefined
  readonly peers: ReadonlyArray<string> | undefined
}

/** Picks peers by name; throws an `Error` whose message is what was expected. */
export const select = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const known: ReadonlyArray<string> = [...new Set<string>([...servers, ...ways, ...clients])]
  if (names.some((name) => !known.includes(name))) throw new Error(`names among ${known.join(", ")}`)
  return names
}

/** Finds a checkout by its folder; throws an `Error` whose message is what was expected. */
export const findCheckout = (folder: string): string => {
  const checkout = resolve(folder)
  if (existsSync(join(checkout, "packages/bench/node_modules"))) return checkout
  throw new Error(`a checkout of this repository in which \`pnpm install\` was run, not ${checkout}`)
}

const isOurs = (peer: string): boolean => peer !== "floor" && !peer.startsWith("ws")

const candidates = ({ load }: MicroRow, { base, peers }: MicroOptions): ReadonlyArray<Candidate> => {
  const all: ReadonlyArray<string> =
    load.mode === "client-handshakes" ? clients : load.mode === "typed" ? ["ws", "stream", ...ways] : servers
  return all
    .filter((peer) => (peers === undefined ? !onDemand.includes(peer) : peer === "ws" || peers.includes(peer)))
    .filter((peer) => peer !== "floor" || load.mode === "echo")
    .flatMap((peer): ReadonlyArray<Candidate> => {
      const own = { name: peer, peer, checkout: here, values: [] }
      return base === undefined || !isOurs(peer) || onDemand.includes(peer)
        ? [own]
        : [own, { name: `${peer}, base`, peer, checkout: base, values: [] }]
    })
}

const sample = Effect.fnUntraced(function* ({ checkout, peer }: Candidate, { name }: MicroRow) {
  const command = [process.execPath, "--expose-gc", sourceFile("micro/subject.ts"), peer, name, checkout]
  const child = yield* spawn(
    `${peer} in ${name}`,
    command,
    peer === "ws-nobufferutil" ? { WS_NO_BUFFER_UTIL: "1" } : {}
  )
  const { value } = JSON.parse(yield* child.line(180)) as { readonly value: number }
  return value
}, Effect.scoped)

/** Runs the rows and prints a table for each as soon as it is done. */
export const run = Effect.fnUntraced(function* (options: MicroOptions) {
  yield* Console.log(
    `in process, node ${process.versions.node}, least of ${options.rounds} processes of 8 samples each`
  )
  for (const row of options.rows) {
    const taking = candidates(row, options)
    for (let round = 0; round < options.rounds; round++) {
      for (const candidate of interleave(taking, round)) candidate.values.push(yield* sample(candidate, row))
    }
    yield* Console.log(`\n${render(row, taking)}`)
  }
})

const render = (row: MicroRow, taking: ReadonlyArray<Candidate>): string => {
  const best = new Map(taking.map(({ name, values }) => [name, Math.min(...values)]))
  const unit = row.load.mode === "idle" ? "bytes of heap for each connection" : "ns"
  const rows = taking.map(({ name, values }) => {
    const value = best.get(name)!
    const base = best.get(`${name}, base`)
    return [
      name.padEnd(18),
      Math.round(value).toLocaleString("en-US").padStart(10),
      `${(value / best.get("ws")!).toFixed(2)} of ws`.padStart(12),
      `up to ${Math.round(Math.max(...values)).toLocaleString("en-US")}`.padStart(18),
      base === undefined ? "" : `${(value / base).toFixed(2)} of base`.padStart(14)
    ]
      .join("  ")
      .trimEnd()
  })
  return [`${row.name} (${unit}, less is better)`, ...rows].join("\n")
}
