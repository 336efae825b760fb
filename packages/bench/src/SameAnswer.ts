/**
 * The conversation of the floor at either end: the first message of a connection is decoded and answered, and then
 * every frame of that length with those same bytes, all that one chunk completed in one write. It neither looks at what
 * it receives nor copies it, so nothing real can be expected to be faster on the same sockets.
 */
import type { Socket } from "node:net"

const together = 64

/** Encodes the answer to a message: its header without the mask bit, and its payload in the clear. */
export type Encode = (header: Buffer, payload: Buffer) => Buffer

/** Answers what an open connection receives from here on. */
export const answerAll = (socket: Socket, encode: Encode): void => {
  const answers = new SameAnswer(socket, encode)
  socket.on("data", (chunk: Buffer) => answers.onData(chunk))
}

class SameAnswer {
  private readonly socket: Socket
  private readonly encode: Encode
  private pending: Array<Uint8Array> = []
  private views: Array<Uint8Array> = []
  private frameLength = 0
  private position = 0

  constructor(socket: Socket, encode: Encode) {
    this.socket = socket
    this.encode = encode
  }

  onData(chunk: Buffer): void {
    if (this.frameLength === 0) this.onFirst(chunk)
    else this.onFrames(chunk.length)
  }

  private onFirst(chunk: Buffer): void {
    this.pending.push(chunk)
    const bytes = Buffer.concat(this.pending)
    if (bytes.length < 2) return
    const short = bytes[1]! & 0x7f
    const headerLength = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < headerLength) return
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    const isMasked = (bytes[1]! & 0x80) !== 0
    const start = headerLength + (isMasked ? 4 : 0)
    if (bytes.length < start + length) return
    this.frameLength = start + length
    const header = Buffer.from(bytes.subarray(0, headerLength))
    header[1]! &= 0x7f
    const payload = Buffer.from(bytes.subarray(start, this.frameLength))
    if (isMasked) mask(payload, bytes.subarray(headerLength, start))
    const answer = this.encode(header, payload)
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

/** Masks a payload in place, or takes the mask off. */
export const mask = (payload: Buffer, key: Uint8Array): void => {
  for (let i = 0; i < payload.length; i++) payload[i]! ^= key[i & 3]!
}
