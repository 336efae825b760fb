/**
 * A peer that speaks bytes: it knows no rule of RFC 6455, so it can break each one, and its reading of frames shares no
 * code with what is tested. It runs over any network that there is a Dialer for.
 */
import type { Push } from "@effect-ws/transport"
import { Dialer } from "@effect-ws/transport/Dialer"
import type { Scope } from "effect"
import { Effect } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Socket } from "effect/socket"
import { createHash } from "node:crypto"

/** A frame as it is on the wire; what is not given is as a well-behaved client would have it. */
export interface FrameFields {
  readonly fin?: boolean
  /** The three bits as a number from 0 to 7. */
  readonly rsv?: number
  readonly opcode: number
  readonly payload?: string | Uint8Array
  readonly masked?: boolean
  /** Length in the header, if it differs from that of the payload. */
  readonly announced?: number | bigint
  /** How many bytes the header takes for the length. Default: the fewest that will do. */
  readonly lengthBytes?: 1 | 2 | 8
}

const toBuffer = (data: string | Uint8Array): Buffer => Buffer.from(data as Uint8Array)

/** Encodes a frame, however wrong. */
export const frame = (fields: FrameFields): Buffer => {
  const payload = toBuffer(fields.payload ?? "")
  const length = BigInt(fields.announced ?? payload.length)
  const lengthBytes = fields.lengthBytes ?? (length < 126n ? 1 : length < 65_536n ? 2 : 8)
  const masked = fields.masked ?? true
  const head = Buffer.alloc(lengthBytes === 1 ? 2 : 2 + lengthBytes)
  head[0] = (fields.fin === false ? 0 : 0x80) | ((fields.rsv ?? 0) << 4) | fields.opcode
  head[1] = (masked ? 0x80 : 0) | (lengthBytes === 1 ? Number(length) : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2)
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2)
  const key = Buffer.from([0x37, 0xfa, 0x21, 0x3d])
  return masked
    ? Buffer.concat([head, key, payload.map((byte, at) => byte ^ key[at & 3]!)])
    : Buffer.concat([head, payload])
}

export const text = (payload: string, fields?: Partial<FrameFields>): Buffer => frame({ opcode: 1, payload, ...fields })

/** A close frame; without a code its payload is empty. */
export const close = (code?: number, reason: string | Uint8Array = "", fields?: Partial<FrameFields>): Buffer => {
  const payload = code === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.alloc(2), toBuffer(reason)])
  if (code !== undefined) payload.writeUInt16BE(code)
  return frame({ opcode: 8, payload, ...fields })
}

/** A frame that was received. */
export interface ReadFrame {
  readonly fin: boolean
  readonly rsv: number
  readonly opcode: number
  readonly masked: boolean
  readonly payload: Buffer
}

/** The head of an HTTP message; names of headers in lower case. */
export interface Head {
  readonly startLine: string
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
}

/** How a stream came to its end. */
export type Ending = "end" | "reset"

export const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

/** The lines of a request that every server takes; an override of `undefined` leaves a header out. */
export const requestHead = (
  headers: Readonly<Record<string, string | undefined>> = {},
  requestLine = "GET /chat HTTP/1.1"
): string => {
  const all: Record<string, string | undefined> = {
    Host: "localhost",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": sampleKey,
    "Sec-WebSocket-Version": "13",
    ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return [requestLine, ...lines, "", ""].join("\r\n")
}

/** The accept value for a key, written down again from RFC 6455 1.3. */
export const acceptFor = (key: string): string =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

/** One end of a byte stream. */
export class RawPeer {
  private buffer = Buffer.alloc(0)
  private readonly reader: Socket.Reader
  private readonly writer: Push.PushWriter

  constructor(reader: Socket.Reader, writer: Push.PushWriter) {
    this.reader = reader
    this.writer = writer
  }

  /** Sends pieces in one write, so that they share a segment where they fit into one. */
  send(...pieces: ReadonlyArray<string | Uint8Array>): Effect.Effect<void, Socket.SocketError> {
    return this.writer.write(Buffer.concat(pieces.map(toBuffer)))
  }

  /** Sends FIN. */
  get shutdown(): Effect.Effect<void> {
    return Effect.sync(() => this.writer.shutdown())
  }

  /** Sends a reset. */
  get reset(): Effect.Effect<void> {
    return Effect.sync(() => this.writer.destroy())
  }

  private get pull(): Effect.Effect<void, Socket.SocketError> {
    return Effect.map(this.reader.pull, (chunks) => {
      this.buffer = Buffer.concat([this.buffer, ...chunks.map(toBuffer)])
    })
  }

  /** Reads until `parse` finds what it looks for. */
  private read<A>(
    parse: (buffer: Buffer) => readonly [value: A, length: number] | undefined
  ): Effect.Effect<A, Ending> {
    const step: Effect.Effect<A, Ending> = Effect.suspend(() => {
      const found = parse(this.buffer)
      if (found === undefined) return Effect.andThen(Effect.mapError(this.pull, ending), step)
      this.buffer = this.buffer.subarray(found[1])
      return Effect.succeed(found[0])
    })
    return step
  }

  /** Reads the head of an HTTP message. */
  get head(): Effect.Effect<Head, Ending> {
    return this.read((buffer) => {
      const end = buffer.indexOf("\r\n\r\n")
      if (end < 0) return undefined
      const [startLine = "", ...lines] = buffer.toString("latin1", 0, end).split("\r\n")
      const headers = new Map(
        lines.map((line) => {
          const colon = line.indexOf(":")
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
        })
      )
      return [{ startLine, status: Number(startLine.split(" ")[1]), headers }, end + 4]
    })
  }

  /** Reads a response with its whole body. */
  get response(): Effect.Effect<Head & { readonly body: string }, Ending> {
    return Effect.flatMap(this.head, (head) => {
      const length = Number(head.headers.get("content-length") ?? 0)
      return this.read((buffer) =>
        buffer.length < length ? undefined : [{ ...head, body: buffer.toString("utf8", 0, length) }, length]
      )
    })
  }

  /** Reads a frame. */
  get frame(): Effect.Effect<ReadFrame, Ending> {
    return this.read((buffer) => {
      if (buffer.length < 2) return undefined
      const short = buffer[1]! & 0x7f
      const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
      const masked = (buffer[1]! & 0x80) !== 0
      const start = 2 + lengthBytes + (masked ? 4 : 0)
      if (buffer.length < start) return undefined
      const length =
        lengthBytes === 0 ? short : lengthBytes === 2 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2))
      if (buffer.length < start + length) return undefined
      const payload = Buffer.from(buffer.subarray(start, start + length))
      if (masked) for (let at = 0; at < length; at++) payload[at]! ^= buffer[start - 4 + (at & 3)]!
      return [
        {
          fin: (buffer[0]! & 0x80) !== 0,
          rsv: (buffer[0]! >> 4) & 7,
          opcode: buffer[0]! & 15,
          masked,
          payload
        },
        start + length
      ]
    })
  }

  /** Reads frames up to the end of the stream, and says how that came. */
  get rest(): Effect.Effect<{ readonly frames: ReadonlyArray<string>; readonly ending: Ending }> {
    const frames: Array<string> = []
    return Effect.forever(
      Effect.map(this.frame, (frame) => {
        frames.push(render(frame))
      })
    ).pipe(
      Effect.flip,
      Effect.map((ending) => ({ frames, ending }))
    )
  }

  /** Waits for the end of the stream, past whatever is on the way. */
  get ending(): Effect.Effect<Ending> {
    return Effect.map(Effect.flip(Effect.forever(this.pull)), ending)
  }
}

const ending = (error: Socket.SocketError): Ending =>
  error.reason._tag === "SocketCloseError" && error.reason.code === 1000 ? "end" : "reset"

const names: Readonly<Record<number, string>> = { 0: "more", 1: "text", 2: "binary", 9: "ping", 10: "pong" }

/** A frame in a few words: `text one`, `close 1002 a masked frame: ...`. */
export const render = ({ fin, opcode, payload }: ReadFrame): string =>
  opcode === 8
    ? `close ${payload.length === 0 ? "" : `${payload.readUInt16BE()} ${payload.toString("utf8", 2)}`}`.trimEnd()
    : `${names[opcode] ?? opcode}${fin ? "" : "..."} ${payload.toString()}`.trimEnd()

/** A raw connection to an address. */
export const dial = Effect.fnUntraced(function* (
  address: NetAddress.SocketAddress
): Effect.fn.Return<RawPeer, Socket.SocketError, Dialer | Scope.Scope> {
  const dialer = yield* Dialer
  const socket = yield* dialer.dial(address)
  const reader = yield* socket.reader
  return new RawPeer(reader, (yield* socket.writer) as Push.PushWriter)
})

/** A raw connection that has done its handshake as it should. */
export const upgrade = Effect.fnUntraced(function* (
  address: NetAddress.SocketAddress
): Effect.fn.Return<RawPeer, Socket.SocketError | Ending, Dialer | Scope.Scope> {
  const peer = yield* dial(address)
  yield* peer.send(requestHead())
  yield* peer.head
  return peer
})
