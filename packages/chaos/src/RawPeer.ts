/**
 * A client that knows how to write frames and no rule of how to use them. It reads only when told to, so it can be as
 * slow as a behaviour wants.
 */
import { once } from "node:events"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { Random } from "./Random.ts"

export interface Target {
  readonly port: number
  readonly transport: "tcp" | "tls"
}

/** A frame as a server sends it. */
export interface Frame {
  readonly fin: boolean
  readonly opcode: number
  readonly payload: Buffer
}

/** Writes a masked frame down. */
export const frame = (
  opcode: number,
  payload: Buffer,
  { fin = true, rsv1 = false }: { readonly fin?: boolean; readonly rsv1?: boolean } = {}
): Buffer => {
  const { length } = payload
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const head = Buffer.alloc(2 + lengthBytes)
  head[0] = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode
  head[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) head.writeUInt16BE(length, 2)
  if (lengthBytes === 8) head.writeBigUInt64BE(BigInt(length), 2)
  const key = Buffer.from([0x5a, 0x13, 0xc4, 0x99])
  const masked = Buffer.from(payload)
  for (let at = 0; at < length; at++) masked[at]! ^= key[at & 3]!
  return Buffer.concat([head, key, masked])
}

/** The payload of a close frame. */
export const closePayload = (code: number): Buffer => Buffer.from([code >> 8, code & 0xff])

export const request = (extensions = ""): string =>
  `GET /chaos HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${extensions}\r\n`

/** How long a peer waits for anything at all before it calls the server stuck. */
const patience = 40_000

export class RawPeer {
  readonly socket: Net.Socket
  // What is below TLS, which alone can be reset.
  private readonly raw: Net.Socket
  private received = Buffer.alloc(0)
  private ended = false
  private error: Error | undefined = undefined

  constructor(socket: Net.Socket, raw = socket) {
    this.socket = socket
    this.raw = raw
    socket.on("error", (error) => {
      this.ended = true
      this.error = error
    })
    socket.on("end", () => (this.ended = true))
    socket.on("close", () => (this.ended = true))
    socket.pause()
  }

  /** Connects without TLS, whatever the server speaks. */
  static async connectPlain({ port }: Target): Promise<RawPeer> {
    const socket = Net.connect({ port, host: "127.0.0.1" })
    await once(socket, "connect")
    return new RawPeer(socket)
  }

  static async connect(target: Target): Promise<RawPeer> {
    if (target.transport === "tcp") return RawPeer.connectPlain(target)
    const raw = Net.connect({ port: target.port, host: "127.0.0.1" })
    const socket = Tls.connect({ socket: raw, rejectUnauthorized: false })
    await once(socket, "secureConnect")
    return new RawPeer(socket, raw)
  }

  /** Connects and finishes the opening handshake. */
  static async open(target: Target, extensions?: string): Promise<RawPeer> {
    const peer = await RawPeer.connect(target)
    peer.write(request(extensions))
    const head = await peer.readUntil("\r\n\r\n")
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`answered ${head.split("\r\n")[0]}`)
    return peer
  }

  /** Writes without waiting. */
  write(bytes: Buffer | string): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  /** Writes, and waits until the system takes more or the socket closes. */
  async send(bytes: Buffer | string): Promise<void> {
    if (this.socket.destroyed || this.socket.write(bytes)) return
    await Promise.race([once(this.socket, "drain"), once(this.socket, "close")]).catch(() => undefined)
  }

  /** Writes in pieces of random size, each in a turn of its own. */
  async trickle(bytes: Buffer, random: Random): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random.below(Math.max(1, bytes.length >> 1))
      await this.send(bytes.subarray(at, at + size))
      at += size
      await pause(0)
    }
  }

  reset(): void {
    this.raw.resetAndDestroy()
    this.socket.destroy()
  }

  /** Returns the next bytes; fails where there are none. */
  async read(within = patience): Promise<Buffer> {
    const deadline = Date.now() + within
    for (;;) {
      const chunk = this.socket.read() as Buffer | null
      if (chunk !== null) return chunk
      if (this.ended || this.socket.destroyed) throw new StreamEnded(this.error)
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`nothing arrived for ${within} ms`)
      await this.somethingHappens(left)
    }
  }

  private somethingHappens(within: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, within)
      const { socket } = this
      function done(): void {
        clearTimeout(timer)
        for (const event of ["readable", "end", "close", "error"]) socket.off(event, done)
        resolve()
      }
      for (const event of ["readable", "end", "close", "error"]) socket.on(event, done)
    })
  }

  async readUntil(mark: string): Promise<string> {
    while (!this.received.includes(mark)) this.received = Buffer.concat([this.received, await this.read()])
    const end = this.received.indexOf(mark) + mark.length
    const text = this.received.toString("latin1", 0, end)
    this.received = this.received.subarray(end)
    return text
  }

  /** Returns the next frame; `onChunk` is called before more is read. */
  async readFrame(onChunk: (bytes: number) => Promise<void> = async () => undefined): Promise<Frame> {
    for (;;) {
      const size = frameSize(this.received)
      if (size !== undefined && this.received.length >= size.end) {
        const whole = this.received.subarray(0, size.end)
        this.received = this.received.subarray(size.end)
        return { fin: whole[0]! >= 0x80, opcode: whole[0]! & 0x0f, payload: whole.subarray(size.start) }
      }
      const chunk = await this.read()
      await onChunk(chunk.length)
      this.received = Buffer.concat([this.received, chunk])
    }
  }

  /** Reads everything until the server ends the stream; fails where it does not. */
  async untilEnded(): Promise<void> {
    while (!this.ended) await this.read().catch(onlyEnds)
    this.socket.destroy()
  }

  /** Waits until the server ends the connection although nothing is read; fails where it does not. */
  async untilDropped(): Promise<void> {
    const deadline = Date.now() + patience
    // Nothing is read, so an end behind unread data does not show; a reset or a failed write does.
    while (!this.socket.destroyed && !this.ended) {
      if (Date.now() > deadline) throw new Error(`not dropped within ${patience} ms`)
      await pause(100)
      this.write(frame(10, Buffer.alloc(0)))
    }
    this.socket.destroy()
  }
}

const frameSize = (bytes: Buffer): { readonly start: number; readonly end: number } | undefined => {
  if (bytes.length < 2) return undefined
  const short = bytes[1]! & 0x7f
  const start = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < start) return undefined
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  return { start, end: start + length }
}

class StreamEnded extends Error {
  constructor(cause: Error | undefined) {
    super(cause === undefined ? "the server ended the stream" : `the stream broke off: ${cause.message}`)
  }
}

const onlyEnds = (error: Error): void => {
  if (!(error instanceof StreamEnded)) throw error
}

export const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
