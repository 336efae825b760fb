/**
 * The servers and clients that are compared. Each is a file in `servers/` or in `clients/`, run in a process of its own
 * with the settings that suit it best.
 */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

/** One server, one client, or both under one name. */
export interface Peer {
  readonly name: string
  /** What it is, with the versions of what it is made of. */
  readonly description: string
  /** The program that runs it. */
  readonly program: string
  /** The file in `servers/`, in `clients/` and in `servers/broadcast/`, as the roles are. */
  readonly file: string
  readonly env: Readonly<Record<string, string>>
  /** Whether it can take part in rows with compression. */
  readonly compresses: boolean
  /** Whether it can take part in rows over TLS. */
  readonly secures: boolean
  /** The folder that `file` is in, where it is that of another checkout. */
  readonly source?: string | undefined
  /** The rows that it can take part in. */
  readonly roles: ReadonlyArray<Role>
}

/** What is measured: a server or a client; `broadcast` is a server that sends to all what it gets from one. */
export type Role = "server" | "client" | "broadcast"

/** A peer that cannot be run here. */
export interface Missing {
  readonly name: string
  readonly reason: string
}

/** The peers that can be run here, and those that cannot. */
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

interface Settings extends Partial<Pick<Peer, "file" | "env" | "roles" | "secures">> {}

const node = (name: string, description: string, settings: Settings = {}): Peer => ({
  name,
  description,
  program: process.execPath,
  file: settings.file ?? `${name}.ts`,
  env: settings.env ?? {},
  compresses: name !== "floor",
  secures: settings.secures ?? true,
  roles: settings.roles ?? ["server", "client"]
})

const effectWs = fileURLToPath(new URL("../../effect-ws", import.meta.url))

// `pnpm build` replaces what the compiler alone leaves by the bundle that users run, which has `Program` inside `Main`.
const isBundled = existsSync(`${effectWs}/dist/bin.js`) && !existsSync(`${effectWs}/dist/cli/Program.js`)

const serve = (): Peer =>
  node("serve", `ours: \`effect-ws serve\`, ${isBundled ? "as it is published" : "from its sources, not bundled"}`, {
    env: { BENCH_SERVE: `${effectWs}/${isBundled ? "dist/bin.js" : "src/bin.ts"}` },
    roles: ["server"],
    secures: false
  })

/** Finds the peers. Bun is taken from the environment variable `BUN` or from the `PATH`. */
export const discover = (): Peers => {
  const ws = `ws ${version("ws")}`
  const effect = `effect ${version("effect")}`
  const available: Array<Peer> = [
    node("handlers", `ours on ${effect}: a record of handlers, on the server with fibers`, { roles: ["server"] }),
    node("fiber", `ours on ${effect}: a fiber for each connection, a stream of messages`, {
      roles: ["server", "broadcast"]
    }),
    node("fiber-recycle", "the same, with messages that are valid until the next one is asked for", {
      file: "fiber.ts",
      env: { RECYCLE: "1" },
      roles: ["server"]
    }),
    node("queue", `ours on ${effect}: no fiber for a connection, handlers run by workers`, {
      roles: ["server", "broadcast"]
    }),
    node("client", `our client on ${effect}: a Scope for each connection, a stream of messages`, { roles: ["client"] }),
    node("whatwg", "our client as the WHATWG class", { roles: ["client"] }),
    node("ws", `${ws} with bufferutil ${version("bufferutil")}`, { roles: ["server", "client", "broadcast"] }),
    node("ws-nobufferutil", `${ws} without bufferutil`, {
      file: "ws.ts",
      env: { WS_NO_BUFFER_UTIL: "1" }
    }),
    node("fiber-metrics", "the same as fiber, with metrics", {
      file: "fiber.ts",
      env: { METRICS: "1" },
      roles: ["server"]
    }),
    node("ws-effect", `the same as ws in a process that has loaded ${effect}`, {
      roles: ["server", "client", "broadcast"]
    }),
    node(
      "effect-socket",
      `NodeSocketServer.makeWebSocket and Socket.makeWebSocket of ${effect}, over ${ws} with bufferutil`,
      { secures: false }
    ),
    node("undici", `the global WebSocket of Node, undici ${process.versions["undici"]}`, {
      file: "global.ts",
      roles: ["client"]
    }),
    serve(),
    node("floor", "node:net alone, constant answers without looking at what came")
  ]
  const missing: Array<Missing> = []
  const bun = process.env["BUN"] ?? onPath("bun")
  if (bun === undefined) missing.push({ name: "bun", reason: "not installed: set BUN or put bun on the PATH" })
  else if (!existsSync(bun)) missing.push({ name: "bun", reason: `BUN names no file: ${bun}` })
  else {
    available.push({
      name: "bun",
      description: "Bun.serve, and Bun's global WebSocket",
      program: bun,
      file: "bun.ts",
      env: {},
      compresses: true,
      secures: true,
      roles: ["server", "client", "broadcast"]
    })
  }
  return { available, missing }
}

/** Picks peers by name, in the order given; throws an `Error` whose message is what was expected. */
export const select = (peers: Peers, names: ReadonlyArray<string>): ReadonlyArray<Peer> =>
  [...new Set(names)].map((name) => {
    const peer = peers.available.find((peer) => peer.name === name)
    if (peer !== undefined) return peer
    const missing = peers.missing.map((peer) => ` (${peer.name} is ${peer.reason})`)
    throw new Error(`names among ${peers.available.map((peer) => peer.name).join(", ")}${missing.join("")}`)
  })

/** What a row asks of those that take part. */
export interface Demands {
  readonly role: Role
  readonly compressed?: boolean | undefined
  readonly secure?: boolean | undefined
}

/** Picks the peers that can take part in a row. */
export const partaking = (
  peers: ReadonlyArray<Peer>,
  { compressed = false, role, secure = false }: Demands
): ReadonlyArray<Peer> =>
  peers.filter((peer) => peer.roles.includes(role) && (peer.compresses || !compressed) && (peer.secures || !secure))

/** Our servers as another checkout of this repository has them; its `bench` package says what they are. */
export const ofCheckout = (checkout: string): ReadonlyArray<Peer> => {
  const source = join(checkout, "packages/bench/src")
  return ["handlers", "fiber", "queue"]
    .filter((name) => existsSync(join(source, `servers/${name}.ts`)))
    .map((name) => ({
      ...node(`${name}-base`, `the server ${name} of the other checkout`, {
        file: `${name}.ts`,
        secures: existsSync(join(source, "certificate.ts")),
        roles: name === "handlers" ? ["server"] : ["server", "broadcast"]
      }),
      source
    }))
}
