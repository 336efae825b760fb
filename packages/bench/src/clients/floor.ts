/**
 * The floor: what `node:net` alone costs. It shakes hands with a constant key, masks the first message of a connection,
 * and then sends those same bytes for every frame of that length, unread: all that one chunk completed in one write.
 */
import * as Net from "node:net"
import { job, run } from "./Control.ts"
import type { Uses } from "./Control.ts"

const together = 64
const request =
  `GET / HTTP/1.1\r\nHost: 127.0.0.1:${job.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
const mask = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)
const close = Uint8Array.of(0x88, 0x82, ...mask, 0x03 ^ mask[0]!, 0xe8 ^ mask[1]!)

/** Connects, and calls back once the server agreed. */
const connect = (open: (socket: Net.Socket) => void): void => {
  const socket = Net.connect({ host: "127.0.0.1", port: job.port, noDelay: true })
  socket.write(request)
  let answer = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    answer = Buffer.concat([answer, chunk])
    const end = answer.indexOf("\r\n\r\n")
    if (end === -1) return
    socket.off("data", onData).pause()
    // Frames may come right behind it.
    if (answer.length > end + 4) socket.unshift(answer.subarray(end + 4))
    open(socket)
    socket.resume()
  }
  socket.on("data", onData)
}

class Echo {
  private readonly socket: Net.Socket
  private pending: Array<Uint8Array> = []
  private views: Array<Uint8Array> = []
  private frameLength = 0
  private position = 0

  constructor(socket: Net.Socket) {
    this.socket = socket
    socket.on("data", (chunk: Buffer) => (this.frameLength === 0 ? this.onFirst(chunk) : this.onFrames(chunk.length)))
  }

  private onFirst(chunk: Buffer): void {
    this.pending.push(chunk)
    const bytes = Buffer.concat(this.pending)
    if (bytes.length < 2) return
    const headerLength = bytes[1]! < 126 ? 2 : bytes[1] === 126 ? 4 : 10
    if (bytes.length < headerLength) return
    const length = headerLength === 2 ? bytes[1]! : headerLength === 4 ? bytes.readUInt16BE(2) : bytes.readUInt32BE(6)
    if (bytes.length < headerLength + length) return
    this.frameLength = headerLength + length
    const answer = Buffer.concat([
      bytes.subarray(0, headerLength),
      mask,
      bytes.subarray(headerLength, this.frameLength)
    ])
    answer[1]! |= 0x80
    for (let i = 0; i < length; i++) answer[headerLength + 4 + i]! ^= mask[i & 3]!
    const count = Math.max(1, Math.min(together, Math.floor(65536 / answer.length)))
    const block = Buffer.concat(Array.from({ length: count }, () => answer))
    this.views = Array.from({ length: count + 1 }, (_, n) => block.subarray(0, n * answer.length))
    this.pending = []
    this.onFrames(bytes.length)
  }

  private onFrames(length: number): void {
    const end = this.position + length
    let count = Math.floor(end / this.frameLength)
    this.position = end % this.frameLength
    const most = this.views.length - 1
    for (; count > most; count -= most) this.socket.write(this.views[most]!)
    if (count > 0) this.socket.write(this.views[count]!)
  }
}

const uses: Uses = {
  echo: () => connect((socket) => new Echo(socket)),
  visit: (_, done) =>
    connect((socket) => {
      socket.write(close)
      socket.on("close", done).resume()
    })
}

run(uses)
