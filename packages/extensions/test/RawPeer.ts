/**
 * Our session over `node:net`, with no more of a handshake than the tests of extensions need, so that they can talk to
 * other implementations.
 */
import type { Extension } from "@effect-ws/extensions"
import { Negotiation } from "@effect-ws/extensions"
import { ExtensionHeader, Session } from "@effect-ws/protocol"
import { Effect, Exit, Result, Scope } from "effect"
import { createHash, randomBytes } from "node:crypto"
import * as Net from "node:net"
import { receive, written } from "./Pair.ts"

/** One end of a connection that is open. */
export interface Peer {
  readonly session: Session.Session
  /** The extensions as the server answered them. */
  readonly answer: string
  /** Bytes that came over the wire behind the handshake. */
  readonly received: () => number
  readonly send: (data: string | Uint8Array) => void
  readonly close: () => void
}

const accept = (key: string): string =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

const field = (head: string, name: string): string | undefined => new RegExp(`^${name}: *(.*)\r$`, "im").exec(head)?.[1]

const start = async (
  socket: Net.Socket,
  role: "client" | "server",
  agreement: Negotiation.NegotiatedExtensions,
  rest: Uint8Array,
  onMessage: (peer: Peer, data: string | Uint8Array) => void
): Promise<Peer> => {
  const scope = await Effect.runPromise(Scope.make())
  const extensions = await Effect.runPromise(Scope.provide(agreement.open, scope))
  const session = new Session.Session({
    role,
    extensions,
    maskingKey: () => randomBytes(4).readInt32LE()
  })
  let bytesReceived = 0
  let writing = Promise.resolve()
  const flush = (): void => {
    writing = writing.then(async () => {
      const bytes = await Effect.runPromise(written(session))
      if (bytes.length > 0 && socket.writable) socket.write(bytes)
      if (session.shouldCloseTransport) socket.end()
    })
  }
  const peer: Peer = {
    session,
    answer: ExtensionHeader.render(agreement.answers),
    received: () => bytesReceived,
    send: (data) => {
      session.send(data)
      flush()
    },
    close: () => {
      session.close()
      flush()
    }
  }
  let reading = Promise.resolve()
  const onData = (chunk: Uint8Array): void => {
    bytesReceived += chunk.length
    reading = reading.then(async () => {
      for (const event of await Effect.runPromise(receive(session, new Uint8Array(chunk)))) {
        if (event._tag === "Text" || event._tag === "Binary") onMessage(peer, event.data)
      }
      if (session.mustAnswerClose) session.answerClose()
      flush()
    })
  }
  socket.on("error", () => socket.destroy())
  socket.on("close", () => void Effect.runPromise(Scope.close(scope, Exit.void)))
  if (rest.length > 0) onData(rest)
  socket.on("data", onData)
  return peer
}

const readHead = (socket: Net.Socket): Promise<{ readonly head: string; readonly rest: Uint8Array }> =>
  new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0)
    const onData = (chunk: Uint8Array): void => {
      bytes = Buffer.concat([bytes, chunk])
      const end = bytes.indexOf("\r\n\r\n")
      if (end < 0) return
      socket.off("data", onData)
      resolve({ head: bytes.subarray(0, end + 2).toString("latin1"), rest: new Uint8Array(bytes.subarray(end + 4)) })
    }
    socket.on("data", onData)
    socket.on("close", () => reject(new Error(`closed in the handshake: ${bytes.toString()}`)))
  })

const offersIn = (head: string): ReadonlyArray<ExtensionHeader.ExtensionOffer> => {
  const value = field(head, "Sec-WebSocket-Extensions")
  return value === undefined ? [] : Result.getOrThrow(ExtensionHeader.parse(value))
}

/** Starts an echo server; `onOpen` sees each connection. */
export const listen = (
  extensions: ReadonlyArray<Extension.Extension>,
  onOpen: (peer: Peer) => void = () => undefined
): Promise<Net.Server> =>
  new Promise((resolve) => {
    const server = Net.createServer(async (socket) => {
      const { head, rest } = await readHead(socket)
      const agreement = await Effect.runPromise(Negotiation.negotiate(extensions, offersIn(head)))
      const lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${accept(field(head, "Sec-WebSocket-Key")!)}`
      ]
      if (agreement.answers.length > 0) {
        lines.push(`Sec-WebSocket-Extensions: ${ExtensionHeader.render(agreement.answers)}`)
      }
      socket.write(`${lines.join("\r\n")}\r\n\r\n`)
      onOpen(await start(socket, "server", agreement, rest, (peer, data) => peer.send(data)))
    })
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

export const portOf = (server: Net.Server): number => (server.address() as Net.AddressInfo).port

/** Connects as a client. */
export const dial = async (
  port: number,
  extensions: ReadonlyArray<Extension.Extension>,
  onMessage: (data: string | Uint8Array) => void,
  path = "/"
): Promise<Peer> => {
  const socket = Net.connect(port, "127.0.0.1")
  const offers = Negotiation.offer(extensions)
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13"
  ]
  if (offers.length > 0) lines.push(`Sec-WebSocket-Extensions: ${ExtensionHeader.render(offers)}`)
  socket.write(`${lines.join("\r\n")}\r\n\r\n`)
  const { head, rest } = await readHead(socket)
  const agreement = Result.getOrThrow(Negotiation.check(extensions, offersIn(head)))
  return start(socket, "client", agreement, rest, (_, data) => onMessage(data))
}
