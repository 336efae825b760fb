/**
 * The rows of the table: what load each name stands for. The names are a small language, so that any load can be asked
 * for: `64x16x1K-text` is 64 connections, 16 messages under way on each, 1 KiB of text a message.
 */
import type { EchoLoad, HandshakeLoad, IdleLoad } from "./Load.ts"

/** One row: a name and the load it stands for. */
export interface Row {
  readonly name: string
  readonly load: EchoLoad | IdleLoad | HandshakeLoad
}

/** The rows that are run when none is named. */
export const standard: ReadonlyArray<string> = [
  "64x1x64",
  "64x16x64",
  "64x1x64-text",
  "64x1x16K",
  "8x4x1M",
  "1000x1x64",
  "idle",
  "handshakes"
]

const maxConnections = 15_000
const maxDepth = 1024
const maxBytes = 16 * 1024 * 1024
const idleConnections = 5000
const handshakesAtOnce = 64

const echoName = /^(\d+)x(\d+)x(\d+)([KM]?)(-text)?$/
const otherName = /^(idle|handshakes)(?:-(\d+))?$/

const within = (what: string, value: number, min: number, max: number): number => {
  if (value < min || value > max) throw new Error(`${what} from ${min} to ${max}`)
  return value
}

/**
 * Reads the name of a row; throws an `Error` whose message is what was expected.
 *
 * **Details**
 *
 * `CONNECTIONSxDEPTHxBYTES` with an optional `K` or `M` and an optional `-text`; `idle` and `handshakes`, each with an
 * optional `-CONNECTIONS` (5000 and 64).
 */
export const parse = (name: string): Row => {
  const echo = echoName.exec(name)
  if (echo !== null) {
    const unit = echo[4] === "M" ? 1024 * 1024 : echo[4] === "K" ? 1024 : 1
    return {
      name,
      load: {
        mode: "echo",
        connections: within("connections", Number(echo[1]), 1, maxConnections),
        depth: within("depth", Number(echo[2]), 1, maxDepth),
        bytes: within("bytes", Number(echo[3]) * unit, 0, maxBytes),
        kind: echo[5] === undefined ? "binary" : "text"
      }
    }
  }
  const other = otherName.exec(name)
  if (other === null) {
    throw new Error(
      "CONNECTIONSxDEPTHxBYTES[K|M][-text], idle[-CONNECTIONS] or handshakes[-CONNECTIONS], such as " +
        standard.join(", ")
    )
  }
  const mode = other[1] === "idle" ? "idle" : "handshakes"
  const connections = Number(other[2] ?? (mode === "idle" ? idleConnections : handshakesAtOnce))
  return { name, load: { mode, connections: within("connections", connections, 1, maxConnections) } }
}
