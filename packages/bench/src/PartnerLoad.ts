/**
 * The other end of a measured client: a server of raw TCP sockets that shakes hands, and then does as little as
 * possible. It shares no code with the library. It runs in a process of its own (see `partner.ts`), and counts.
 *
 * What it sends is a view of bytes prepared before the run; one write answers everything that one read completed.
 */
import { createHash } from "node:crypto"
import * as Net from "node:net"
import type { ClientEchoLoad, ClientHandshakeLoad } from "./ClientRow.ts"
import { EchoReader, encodeHeader, makePayload, repeat } from "./Frames.ts"
import type { Target, Throughput, Window } from "./Load.ts"
import { measure } from "./Load.ts"

/** What happens on one connection once it is open. */
interface Conversation {
  readonly onBytes: (bytes: Uint8Array) => void
}

/** A partner that listens. */
export interface Partner {
  readonly port: number
  /** Measures the client whose process this is, once all its connections are open. */
  readonly run: (client: Pick<Target, "pid" | "core">) => Promise<Throughput>
}

const maxHead = 4096
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const answerTo = (head: string): string => {
  const key = /^sec-websocket-key: *(\S+)\r$/im.exec(head)?.[1]
  if (!head.startsWith("GET / HTTP/1.1\r\n") || key === undefined || !head.endsWith("\r\n\r\n")) {
    throw new Error(`the client sent no handshake: ${JSON.stringify(head.slice(0, 200))}`)
  }
  // Whatever it offers, nothing is agreed to.
  const accept = createHash("sha1")
    .update(key + guid)
    .digest("base64")
  return (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`
  )
}

/** Shakes hands on a socket; once it is open, every chunk goes to the conversation that `open` begins. */
const shakeHands = (
  socket: Net.Socket,
  open: (socket: Net.Socket) => Conversation,
  fail: (error: Error) => void
): void => {
  let head = ""
  let conversation: Conversation | undefined
  socket.on("data", (chunk: Buffer) => {
    try {
      if (conversation !== undefined) return conversation.onBytes(chunk)
      head += chunk.toString("latin1")
      if (head.length > maxHead) throw new Error(`the request head is longer than ${maxHead} bytes`)
      if (!head.includes("\r\n\r\n")) return
      socket.write(answerTo(head))
      conversation = open(socket)
    } catch (error) {
      fail(error as Error)
    }
  })
}

const listen = (onConnection: (socket: Net.Socket) => void, run: Partner["run"]): Promise<Partner> =>
  new Promise((resolve, reject) => {
    const server = Net.createServer({ noDelay: true }, onConnection)
    server.on("error", reject)
    server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () =>
      resolve({ port: (server.address() as Net.AddressInfo).port, run })
    )
  })

/** Keeps messages under way on each connection, and counts those that came back. */
export const echo = (load: ClientEchoLoad, window: Window): Promise<Partner> => {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  const { promise: allOpen, resolve: open } = Promise.withResolvers<void>()
  const payload = makePayload(load.kind, load.bytes)
  const header = encodeHeader(load.kind, load.bytes)
  const frame = Buffer.concat([header, payload])
  const together = Math.max(1, Math.min(load.depth, Math.floor(65536 / frame.length)))
  const block = repeat(frame, together)
  const views = Array.from({ length: together + 1 }, (_, n) => block.subarray(0, n * frame.length))
  const sockets: Array<Net.Socket> = []
  const echoLength = frame.length + 4
  let bytes = 0
  const send = (socket: Net.Socket, count: number): void => {
    for (; count > together; count -= together) socket.write(block)
    if (count > 0) socket.write(views[count]!)
  }
  const begin = (socket: Net.Socket): Conversation => {
    const reader = new EchoReader("client", load.kind, payload)
    sockets.push(socket)
    if (sockets.length === load.connections) open()
    return {
      onBytes: (chunk) => {
        bytes += chunk.length
        const completed = reader.read(chunk, chunk.length)
        if (completed > 0) send(socket, completed)
      }
    }
  }
  const onConnection = (socket: Net.Socket): void => {
    socket.on("error", reject)
    socket.on("end", () => reject(new Error("the client closed a connection")))
    shakeHands(socket, begin, reject)
  }
  const run: Partner["run"] = async (client) => {
    await Promise.race([allOpen, failed])
    for (const socket of sockets) send(socket, load.depth)
    // Bytes, not frames: what has come of a frame that is still under way counts as its fraction.
    const measured = new Promise<Throughput>((resolve) => measure(client, window, () => bytes / echoLength, resolve))
    return Promise.race([measured, failed])
  }
  return listen(onConnection, run)
}

const closeReply = Uint8Array.of(0x88, 0x02, 0x03, 0xe8)

/** Answers handshakes, and counts the connections that the client then closed with 1000. */
export const handshakes = (_load: ClientHandshakeLoad, window: Window): Promise<Partner> => {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  let completed = 0
  const begin = (socket: Net.Socket): Conversation => {
    let heard = Buffer.alloc(0)
    return {
      onBytes: (chunk) => {
        heard = Buffer.concat([heard, chunk])
        if (heard.length < 8) return
        const code = ((heard[2]! ^ heard[6]!) << 8) | (heard[3]! ^ heard[7]!)
        if (heard.length > 8 || heard[0] !== 0x88 || heard[1] !== 0x82 || code !== 1000) {
          throw new Error(`the client sent ${heard.toString("hex").slice(0, 100)} in place of a close frame with 1000`)
        }
        completed++
        resolve()
        socket.end(closeReply)
      }
    }
  }
  const onConnection = (socket: Net.Socket): void => {
    socket.on("error", reject)
    shakeHands(socket, begin, reject)
  }
  const run: Partner["run"] = async (client) => {
    // How long the process takes to start is no matter here.
    await Promise.race([begun, failed])
    const measured = new Promise<Throughput>((resolve) => measure(client, window, () => completed, resolve))
    return Promise.race([measured, failed])
  }
  return listen(onConnection, run)
}
