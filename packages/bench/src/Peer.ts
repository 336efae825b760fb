/**
 * The servers that are compared. Each is a file in `servers/`, run in a process of its own with the settings that suit
 * it best.
 */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { delimiter, join } from "node:path"

/** One server. */
export interface Peer {
  readonly name: string
  /** What it is, with the versions of what it is made of. */
  readonly description: string
  /** The program that runs it. */
  readonly program: string
  /** The file in `servers/`. */
  readonly file: string
  readonly env: Readonly<Record<string, string>>
  /** Whether it can take part in rows with compression. */
  readonly compresses: boolean
}

/** A server that cannot be run here. */
export interface Missing {
  readonly name: string
  readonly reason: string
}

/** The servers that can be run here, and those that cannot. */
export interface Peers {
  readonly available: ReadonlyArray<Peer>
  readonly missing: ReadonlyArray<Missing>
}

const version = (name: string): string => {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`)
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version
}

const onPath = (program: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file))

const node = (name: string, description: string, file = `${name}.ts`, env: Peer["env"] = {}): Peer => ({
  name,
  description,
  program: process.execPath,
  file,
  env,
  compresses: name !== "floor"
})

/** Finds the servers. Bun is taken from the environment variable `BUN` or from the `PATH`. */
export const discover = (): Peers => {
  const ws = `ws ${version("ws")}`
  const effect = `effect ${version("effect")}`
  const available: Array<Peer> = [
    node("fiber", `ours on ${effect}: a fiber for each connection, a stream of messages`),
    node("fiber-recycle", "the same, with messages that are valid until the next one is asked for", "fiber.ts", {
      RECYCLE: "1"
    }),
    node("queue", `ours on ${effect}: no fiber for a connection, handlers run by workers`),
    node("ws", `${ws} with bufferutil ${version("bufferutil")}`),
    node("ws-nobufferutil", `${ws} without bufferutil`, "ws.ts", { WS_NO_BUFFER_UTIL: "1" }),
    node("ws-effect", `the same as ws in a process that has loaded ${effect}`),
    node("effect-socket", `NodeSocketServer.makeWebSocket of ${effect}, over ${ws} with bufferutil`),
    node("floor", "node:net alone, constant answers without looking at what came")
  ]
  const bun = process.env["BUN"] ?? onPath("bun")
  if (bun === undefined) {
    return { available, missing: [{ name: "bun", reason: "not installed: set BUN or put bun on the PATH" }] }
  }
  if (!existsSync(bun)) return { available, missing: [{ name: "bun", reason: `BUN names no file: ${bun}` }] }
  return {
    available: [
      ...available,
      { name: "bun", description: "Bun.serve", program: bun, file: "bun.ts", env: {}, compresses: true }
    ],
    missing: []
  }
}

/** Picks servers by name, in the order given; throws an `Error` whose message is what was expected. */
export const select = (peers: Peers, names: ReadonlyArray<string>): ReadonlyArray<Peer> =>
  [...new Set(names)].map((name) => {
    const peer = peers.available.find((peer) => peer.name === name)
    if (peer !== undefined) return peer
    const missing = peers.missing.map((peer) => ` (${peer.name} is ${peer.reason})`)
    throw new Error(`names among ${peers.available.map((peer) => peer.name).join(", ")}${missing.join("")}`)
  })
