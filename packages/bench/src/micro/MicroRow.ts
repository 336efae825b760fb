/** The rows of the in-process benchmark, by the same names as those over sockets where there is such a one. */
import * as Row from "../Row.ts"
import type { EchoLoad } from "../Load.ts"

export type MicroLoad =
  | Pick<EchoLoad, "mode" | "connections" | "depth" | "bytes" | "kind">
  | { readonly mode: "handshakes" | "idle" | "client-handshakes" | "typed" }

export interface MicroRow {
  readonly name: string
  readonly load: MicroLoad
}

/** The rows that are run when none is named. */
export const standard: ReadonlyArray<string> = [
  "64x1x64",
  "64x16x64",
  "64x1x64-text",
  "64x1x16K",
  "8x4x1M",
  "1000x1x64",
  "handshakes",
  "client-handshakes",
  "idle",
  "typed"
]

/** Reads the name of a row; throws an `Error` whose message is what was expected. */
export const parse = (name: string): MicroRow => {
  if (name === "handshakes" || name === "idle" || name === "client-handshakes" || name === "typed") {
    return { name, load: { mode: name } }
  }
  const { load } = Row.parse(name)
  if (load.mode !== "echo" || load.compression !== undefined) {
    throw new Error(`CONNECTIONSxDEPTHxBYTES[K|M][-text], handshakes, client-handshakes, idle or typed`)
  }
  return { name, load }
}
