/** Carries bytes between two sockets, as they are: their ends and resets, too, and no faster than they are read. */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Socket from "effect/socket/Socket"
import * as HeadParser from "effect-ws/HeadParser"

/** Both directions of a socket. */
export interface Ends {
  readonly reader: Socket.Reader
  readonly writer: Socket.Writer
}

/** Acquires both directions; closing the Scope closes the socket. */
export const open = Effect.fnUntraced(function* (socket: Socket.Socket) {
  const reader = yield* socket.reader
  return { reader, writer: yield* socket.writer } satisfies Ends
})

/** Reads the head of a message of HTTP/1.1, and returns it with the bytes behind it. */
export const readHead = Effect.fnUntraced(function* <Kind extends keyof HeadParser.HeadByKind>(
  kind: Kind,
  { reader }: Ends
) {
  const parser = new HeadParser.HeadParser(kind)
  while (true) {
    const chunks = yield* reader.pull
    for (const [at, chunk] of chunks.entries()) {
      const parsed = parser.push(bytesOf(chunk))
      if (parsed === undefined) continue
      if (parsed instanceof HeadParser.HttpHeadError) return yield* parsed
      const rest: Arr.NonEmptyArray<Uint8Array | string> = [parsed.rest, ...chunks.slice(at + 1)]
      return { head: parsed.head, rest }
    }
  }
})

/** Carries what either end sends to the other, until both have ended. */
export const run = (one: Ends, other: Ends): Effect.Effect<void> =>
  Effect.all([pump(one, other), pump(other, one)], { concurrency: "unbounded", discard: true })

const pump = (from: Ends, to: Ends): Effect.Effect<void> =>
  Effect.forever(Effect.flatMap(from.reader.pull, to.writer.writeAll)).pipe(
    Effect.catchTag("SocketError", ({ reason }) => {
      // The other direction finds out by itself.
      if (reason._tag === "SocketWriteError") return Effect.void
      // Above 1000 a socket closes both directions.
      const isEnd = reason._tag === "SocketCloseError" && reason.code === 1000
      return Effect.ignore(to.writer.write(new Socket.CloseEvent(isEnd ? 1000 : 1006)))
    })
  )

const bytesOf = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk
