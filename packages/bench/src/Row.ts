/**
 * The rows of the table: what load each name stands for. The names are a small language, so that any load can be asked
 * for: `64x16x1K-text` is 64 connections, 16 messages under way on each, 1 KiB of text a message.
 */
import * as BroadcastRow from "./BroadcastRow.ts"
import * as ClientRow from "./ClientRow.ts"
import type { Compression } from "./Deflated.ts"
import type { EchoLoad, HandshakeLoad, IdleLoad } from "./Load.ts"

/** One row: a name and the load it stands for. */
export interface Row {
  readonly name: string
  readonly load:
    | EchoLoad
    | IdleLoad
    | HandshakeLoad
    | BroadcastRow.BroadcastLoad
    | ClientRow.ClientLoad
    | { readonly mode: "startup" | "fairness" }
}

/** The rows that are run when none is named. */
export const standard: ReadonlyArray<string> = [
  "64x1x64",
  "64x16x64",
  "64x1x64-text",
  "64x1x16K",
  "8x4x1M",
  "1000x1x64",
  "64x1x1K-tls",
  "64x1x16K-tls",
  "64x1x1K-json-deflate",
  "64x16x1K-json-deflate",
  "64x1x16K-json-deflate",
  "64x16x16K-json-deflate",
  "64x1x1K-json-deflate-takeover",
  "64x16x1K-json-deflate-takeover",
  "64x1x16K-json-deflate-takeover",
  "64x16x16K-json-deflate-takeover",
  "idle",
  "idle-500-deflate",
  "idle-500-deflate-takeover",
  "handshakes",
  ...BroadcastRow.standard,
  ...ClientRow.standard,
  "startup",
  "fairness"
]

const maxConnections = 15_000
const maxDepth = 1024
const maxBytes = 16 * 1024 * 1024
const idleConnections = 5000
const handshakesAtOnce = 64

const echoName = /^(\d+)x(\d+)x(\d+)([KM]?)(-text|-tls|-json-deflate|-json-deflate-takeover)?$/
const otherName = /^(?:(idle)(?:-(\d+))?(-deflate|-deflate-takeover)?|(handshakes)(?:-(\d+))?)$/

const variantOf = (suffix: string | undefined): { readonly compression?: Compression; readonly secure?: true } => {
  if (suffix === "-tls") return { secure: true }
  if (suffix?.endsWith("-takeover")) return { compression: "takeover" }
  return suffix?.endsWith("-deflate") ? { compression: "each" } : {}
}

const within = (what: string, value: number, min: number, max: number): number => {
  if (value < min || value > max) throw new Error(`${what} from ${min} to ${max}`)
  return value
}

/**
 * Reads the name of a row; throws an `Error` whose message is what was expected.
 *
 * **Details**
 *
 * `CONNECTIONSxDEPTHxBYTES` with an optional `K` or `M` and an optional `-text`, `-tls`, or `-json-deflate` for
 * compressed text, with `-takeover` where the windows are kept; `idle` and `handshakes`, each with an optional
 * `-CONNECTIONS` (5000 and 64), `idle` also with an optional `-deflate` or `-deflate-takeover`;
 * `broadcast-CONNECTIONS`; `startup`; `fairness`; echo without compression and `handshakes` with `client-` before them.
 */
export const parse = (name: string): Row => {
  if (name === "startup" || name === "fairness") return { name, load: { mode: name } }
  const broadcast = BroadcastRow.parse(name)
  if (broadcast !== undefined) {
    within("connections", broadcast.connections, 1, maxConnections)
    return { name, load: broadcast }
  }
  if (!name.startsWith("client-")) return { name, load: parseServer(name) }
  const load = ClientRow.fromServer(parseServer(name.slice("client-".length)))
  if (load === undefined)
    throw new Error("CONNECTIONSxDEPTHxBYTES[K|M][-text] or handshakes[-CONNECTIONS] behind client-")
  return { name, load }
}

const expected =
  "CONNECTIONSxDEPTHxBYTES[K|M][-text|-tls|-json-deflate|-json-deflate-takeover], " +
  "idle[-CONNECTIONS][-deflate|-deflate-takeover], handshakes[-CONNECTIONS], broadcast-CONNECTIONS, startup or " +
  "fairness, such as " +
  standard.join(", ")

const parseServer = (name: string): EchoLoad | IdleLoad | HandshakeLoad => {
  const echo = echoName.exec(name)
  if (echo !== null) {
    const unit = echo[4] === "M" ? 1024 * 1024 : echo[4] === "K" ? 1024 : 1
    return {
      mode: "echo",
      connections: within("connections", Number(echo[1]), 1, maxConnections),
      depth: within("depth", Number(echo[2]), 1, maxDepth),
      bytes: within("bytes", Number(echo[3]) * unit, 0, maxBytes),
      kind: echo[5] === undefined || echo[5] === "-tls" ? "binary" : "text",
      ...variantOf(echo[5])
    }
  }
  const other = otherName.exec(name)
  if (other === null) throw new Error(expected)
  const idle = other[1] !== undefined
  const given = Number(other[2] ?? other[5] ?? (idle ? idleConnections : handshakesAtOnce))
  const connections = within("connections", given, 1, maxConnections)
  return idle ? { mode: "idle", connections, ...variantOf(other[3]) } : { mode: "handshakes", connections }
}
