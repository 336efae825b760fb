/**
 * The rows in which the measured process is a client: `client-` and the load, in the language of the other rows.
 */
import type { Kind } from "./Frames.ts"

/**
 * The partner sends, and each client sends back what it gets: `depth` messages of `bytes` are under way on each
 * connection.
 */
export interface ClientEchoLoad {
  readonly mode: "client-echo"
  readonly connections: number
  readonly depth: number
  readonly bytes: number
  readonly kind: Kind
}

/** The client opens connections, `connections` of them at a time, and closes each in order once it is open. */
export interface ClientHandshakeLoad {
  readonly mode: "client-handshakes"
  readonly connections: number
}

/** What a client is measured by. */
export type ClientLoad = ClientEchoLoad | ClientHandshakeLoad

/** The rows that are run when none is named. */
export const standard: ReadonlyArray<string> = [
  "client-64x1x64",
  "client-64x16x64",
  "client-64x1x64-text",
  "client-64x1x16K",
  "client-handshakes"
]

/** Makes the load of a client of that of a server, and tells whether there is one. */
export const fromServer = (load: {
  readonly mode: string
  readonly connections: number
  readonly depth?: number
  readonly bytes?: number
  readonly kind?: Kind
  readonly compression?: unknown
  readonly secure?: unknown
}): ClientLoad | undefined => {
  const { bytes, compression, connections, depth, kind, mode } = load
  if (compression !== undefined || load.secure !== undefined) return undefined
  if (mode === "handshakes") return { mode: "client-handshakes", connections }
  return mode === "echo" && depth !== undefined && bytes !== undefined && kind !== undefined
    ? { mode: "client-echo", connections, depth, bytes, kind }
    : undefined
}

/** Whether a load measures clients. */
export const isClientLoad = <Load extends { readonly mode: string }>(load: Load | ClientLoad): load is ClientLoad =>
  load.mode === "client-echo" || load.mode === "client-handshakes"
