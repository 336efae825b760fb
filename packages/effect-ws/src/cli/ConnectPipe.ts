/** Reads standard input for `connect` when it is not a terminal: each line is a message. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ofInput } from "./ConnectFailure.ts"
import type { ConnectFailure } from "./ConnectFailure.ts"

/** Maximum bytes of a line. */
const longestLine = 64 * 1024 * 1024

/** The lines of standard input. */
export const lines: Stream.Stream<string, ConnectFailure> = Stream.suspend(() =>
  split(
    NodeStream.fromReadable<Uint8Array, ConnectFailure>({
      evaluate: () => process.stdin,
      onError: (error) =>
        ofInput(`cannot read standard input: ${error instanceof Error ? error.message : String(error)}`)
    })
  )
)

/**
 * Splits bytes into lines, without their ends (LF or CR LF). The last line may lack its end. Fails on invalid UTF-8,
 * which a text message cannot carry.
 */
export const split = (
  chunks: Stream.Stream<Uint8Array, ConnectFailure>,
  longest = longestLine
): Stream.Stream<string, ConnectFailure> =>
  Stream.suspend(() => {
    const splitter = new Splitter(longest)
    return Stream.concat(
      Stream.flatMap(chunks, (chunk) => lift(() => splitter.push(chunk))),
      lift(() => splitter.end())
    )
  })

const lift = (run: () => ReadonlyArray<string>): Stream.Stream<string, ConnectFailure> =>
  Stream.unwrap(
    Effect.map(Effect.try({ try: run, catch: (error) => ofInput((error as Error).message) }), (lines) =>
      Stream.fromIterable(lines)
    )
  )

class Splitter {
  private readonly decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  private readonly longest: number
  private parts: Array<Uint8Array> = []
  private held = 0
  private count = 0

  constructor(longest: number) {
    this.longest = longest
  }

  push(chunk: Uint8Array): ReadonlyArray<string> {
    const lines: Array<string> = []
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      lines.push(this.finish(chunk.subarray(start, end)))
      start = end + 1
    }
    this.hold(chunk.subarray(start))
    return lines
  }

  end(): ReadonlyArray<string> {
    return this.held === 0 ? [] : [this.finish(new Uint8Array(0))]
  }

  private hold(part: Uint8Array): void {
    if (part.length === 0) return
    this.held += part.length
    if (this.held > this.longest)
      throw new Error(`line ${this.count + 1} of standard input is longer than ${this.longest} bytes`)
    this.parts.push(part)
  }

  private finish(last: Uint8Array): string {
    this.hold(last)
    const bytes = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts)
    this.parts = []
    this.held = 0
    this.count++
    const line = bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes
    try {
      return this.decoder.decode(line)
    } catch {
      throw new Error(`line ${this.count} of standard input is not UTF-8; --commands sends other bytes, as /hex 00 ff`)
    }
  }
}
