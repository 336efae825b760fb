import * as HandshakeKey from "@effect-ws/protocol/HandshakeKey"
import type { RequestHead } from "@effect-ws/protocol/HttpHead"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { HeadParser } from "@effect-ws/protocol/HeadParser"
import { MemoryNetwork } from "@effect-ws/transport/Memory"
import type { ServerOptions } from "@effect-ws/transport/Memory"
import { Context, Effect } from "effect"
import type { Scope } from "effect"
import type { Socket } from "effect/socket"
import { SocketServer } from "effect/socket"
import { createHash } from "node:crypto"

/** What a server of the tests was asked. */
export interface Asked {
  readonly head: RequestHead
  /** The value of a header, or undefined. */
  readonly header: (name: string) => string | undefined
}

/** What it answers: text, then the end of the stream; or whatever a program does with the socket's writer. */
export type Answer = string | ((writer: Socket.Writer, reader: Socket.Reader) => Effect.Effect<unknown, unknown>)

export type Respond = (asked: Asked, count: number) => Answer

/** A web server that answers as it is told, on a host and port of the memory network. Gives what it was asked. */
export const site = (
  host: string,
  port: number,
  respond: Respond
): Effect.Effect<ReadonlyArray<Asked>, unknown, MemoryNetwork | Scope.Scope> => listening({ host, port }, respond)

/** The same for any address of the memory network. */
export const listening = Effect.fnUntraced(function* (
  address: ServerOptions,
  respond: Respond
): Effect.fn.Return<ReadonlyArray<Asked>, unknown, MemoryNetwork | Scope.Scope> {
  const network = yield* MemoryNetwork
  return yield* answering(Context.get(yield* network.listen(address), SocketServer.SocketServer), respond)
})

/** Lets a server answer as it is told. */
export const answering = Effect.fnUntraced(function* (
  server: SocketServer.SocketServer["Service"],
  respond: Respond
): Effect.fn.Return<ReadonlyArray<Asked>, never, Scope.Scope> {
  const asked: Array<Asked> = []
  yield* server
    .run((socket) =>
      Effect.scoped(
        Effect.gen(function* () {
          const reader = yield* socket.reader
          const writer = yield* socket.writer
          const head = yield* readRequest(reader)
          const request: Asked = { head, header: (name) => HeaderFields.get(head.headers, name) }
          asked.push(request)
          const answer = respond(request, asked.length)
          if (typeof answer !== "string") yield* answer(writer, reader)
          else yield* writer.write(answer)
        })
      ).pipe(Effect.ignore)
    )
    .pipe(Effect.forkScoped({ startImmediately: true }))
  return asked
})

export const readRequest = (reader: Socket.Reader): Effect.Effect<RequestHead, unknown> =>
  Effect.suspend(() => {
    const parser = new HeadParser("request")
    const next: Effect.Effect<RequestHead, unknown> = Effect.flatMap(reader.pull, (chunks) => {
      for (const chunk of chunks) {
        const parsed = parser.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk)
        if (parsed === undefined) continue
        return parsed._tag === "ParsedHead" ? Effect.succeed(parsed.head) : Effect.fail(parsed)
      }
      return next
    })
    return next
  })

/** The lines of a response's head, and its body. */
export const response = (status: string, headers: ReadonlyArray<string> = [], body = ""): string =>
  [`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${body.length}`, "", body].join("\r\n")

export const redirect = (location: string, status = "302 Found"): string => response(status, [`Location: ${location}`])

/** The head that accepts a handshake; a header given replaces the one that would stand there, "" removes it. */
export const acceptance = (asked: Asked, headers: Readonly<Record<string, string>> = {}): string => {
  const all = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": HandshakeKey.acceptFor(asked.header("Sec-WebSocket-Key")!, (text) =>
      createHash("sha1").update(text).digest("base64")
    ),
    ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === "" ? [] : [`${name}: ${value}`]))
  return ["HTTP/1.1 101 Switching Protocols", ...lines, "", ""].join("\r\n")
}

/** Accepts the handshake and sends one text message of at most 125 bytes; then waits for the client to go. */
export const accepting =
  (message: string, headers?: (asked: Asked) => Readonly<Record<string, string>>): Respond =>
  (asked) =>
  (writer, reader) =>
    Effect.andThen(
      writer.write(
        Buffer.concat([
          Buffer.from(acceptance(asked, headers?.(asked)), "latin1"),
          Uint8Array.of(0x81, message.length),
          Buffer.from(message)
        ])
      ),
      answerClose(writer, reader)
    )

/** Answers the close frame of a client that sends nothing else, and ends. */
export const answerClose = (writer: Socket.Writer, reader: Socket.Reader): Effect.Effect<void, unknown> =>
  Effect.andThen(reader.pull, writer.write(Uint8Array.of(0x88, 0)))
