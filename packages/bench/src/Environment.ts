/**
 * The machine and the versions that the figures are from, without which they cannot be compared with others.
 */
import { cpus, loadavg, release, totalmem, type } from "node:os"
import type { Peer, Peers } from "./Peer.ts"
import type { Pinning } from "./Pinning.ts"

/** What stands above the tables. */
export interface Environment {
  readonly date: string
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  /** The load average of the last minute when the run began; much above zero, others were using the machine. */
  readonly loadAverage: number
  readonly pinning: string
  readonly peers: Readonly<Record<string, string>>
  readonly missing: Readonly<Record<string, string>>
}

/** Describes this machine. */
export const describe = (peers: ReadonlyArray<Peer>, found: Peers, pinning: Pinning | string): Environment => ({
  date: new Date().toISOString(),
  processor: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  system: `${type()} ${release()}`,
  node: process.version,
  loadAverage: Math.round(loadavg()[0]! * 100) / 100,
  pinning:
    typeof pinning === "string"
      ? `not pinned: ${pinning}`
      : `server on core ${pinning.server}, generator on core ${pinning.generator}`,
  peers: Object.fromEntries(peers.map((peer) => [peer.name, peer.description])),
  missing: Object.fromEntries(found.missing.map((peer) => [peer.name, peer.reason]))
})
