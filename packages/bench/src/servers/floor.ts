/**
 * The floor: what `node:net` alone costs. It shakes hands, decodes the first message of a connection, and then answers
 * every frame of that length with those same bytes, all that one chunk completed in one write. It neither looks at what
 * it receives nor copies it, so no real server can be expected to be faster on the same sockets.
 */
import { createHash } from "node:crypto"
import * as Net from "node:net"
import { announce } from "./Control.ts"

const together = 64

class Connection {
  private readonly socket: Net.Socket
  private head = ""
  private open = false
  private pending: Array<Uint8Array> = []
  private answer: Uint8Array | undefined
  private views: Array<Uint8Array> = []
  private frameLength = 0
  private position = 0

  constructor(socket: Net.Socket) {
    this.socket = socket
  }

  onData(chunk: Buffer): void {
    if (!this.open) this.onHead(chunk)
    else if (this.answer === undefined) this.onFirst(chunk)
    else this.onFrames(chunk.length)
  }

  private onHead(chunk: Buffer): void {
    this.head += chunk.toString("latin1")
    if (!this.head.endsWith("\r\n\r\n")) return
    const key = /^sec-websocket-key: *(\S+)/im.exec(this.head)?.[1]
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
    this.socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`
    )
    this.open = true
    this.head = ""
  }

  private onFirst(chunk: Buffer): void {
    this.pending.push(chunk)
    const bytes = Buffer.concat(this.pending)
    if (bytes.length < 2) return
    const short = bytes[1]! & 0x7f
    const headerLength = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < headerLength) return
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    this.frameLength = headerLength + 4 + length
    if (bytes.length < this.frameLength) return
    const answer = Buffer.alloc(headerLength + length)
    bytes.copy(answer, 0, 0, headerLength)
    answer[1]! &= 0x7f
    for (let i = 0; i < length; i++)
      answer[headerLength + i] = bytes[headerLength + 4 + i]! ^ bytes[headerLength + (i & 3)]!
    this.answer = answer
    const count = Math.max(1, Math.min(together, Math.floor(65536 / answer.length)))
    const block = Buffer.concat(Array.from({ length: count }, () => answer))
    this.views = Array.from({ length: count + 1 }, (_, n) => block.subarray(0, n * answer.length))
    this.pending = []
    this.onFrames(bytes.length)
  }

  // Every message of a connection has the length of its first, so the frames need not be looked at to be counted.
  private onFrames(length: number): void {
    const end = this.position + length
    let count = Math.floor(end / this.frameLength)
    this.position = end % this.frameLength
    const most = this.views.length - 1
    for (; count > most; count -= most) this.socket.write(this.views[most]!)
    if (count > 0) this.socket.write(this.views[count]!)
  }
}

const server = Net.createServer({ noDelay: true }, (socket) => {
  const connection = new Connection(socket)
  socket.on("data", (chunk) => connection.onData(chunk as Buffer))
  socket.on("error", () => socket.destroy())
})

server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => announce((server.address() as Net.AddressInfo).port))
