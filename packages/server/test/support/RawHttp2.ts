/**
 * An HTTP/2 client with handwritten frames (RFC 9113 4.1). It can break rules that every library obeys. Fields are
 * HPACK literals without indexing and without Huffman codes (RFC 7541 6.2.2).
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Net from "node:net"

/** The types of frames. */
export const Type = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9
} as const

/** A received frame. */
export interface Received {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export const frame = (type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const length = (size: number): Buffer => {
  if (size < 127) return Buffer.from([size])
  const bytes = [127]
  let rest = size - 127
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}

const literal = (text: string): Buffer => Buffer.concat([length(text.length), Buffer.from(text, "latin1")])

export const block = (fields: ReadonlyArray<readonly [name: string, value: string]>): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))

const connectFields: ReadonlyArray<readonly [string, string]> = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "localhost"],
  ["sec-websocket-version", "13"]
]

/** Encodes the HEADERS frame of a WebSocket request. */
export const connect = (stream: number, fields: ReadonlyArray<readonly [string, string]> = connectFields): Buffer =>
  frame(Type.headers, 4, stream, block(fields))

/** Returns the fields of a WebSocket request with some of them changed, or left out where `undefined`. */
export const changed = (
  change: Readonly<Record<string, string | undefined>>
): ReadonlyArray<readonly [string, string]> =>
  connectFields.flatMap(([name, value]) => {
    const other = name in change ? change[name] : value
    return other === undefined ? [] : [[name, other] as const]
  })

/** An open connection. */
export interface Peer {
  readonly write: (...frames: ReadonlyArray<Buffer>) => void
  readonly received: ReadonlyArray<Received>
  /** Waits for a matching frame. It may already have been received. */
  readonly find: (isIt: (frame: Received) => boolean) => Effect.Effect<Received>
  /** Stops reading. */
  readonly stopReading: () => void
  /** Waits until the connection closes. */
  readonly closed: Effect.Effect<void>
}

/** Connects and sends the preface; `settings` are pairs of identifier and value. */
export const open = (
  port: number,
  settings: ReadonlyArray<readonly [id: number, value: number]> = []
): Effect.Effect<Peer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = Net.connect(port, "127.0.0.1")
      socket.on("error", () => {})
      const received: Array<Received> = []
      const waiters = new Set<() => void>()
      let rest: Buffer = Buffer.alloc(0)
      let isClosed = false
      const tell = (): void => {
        for (const waiter of waiters) waiter()
      }
      socket.on("data", (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
          const end = 9 + rest.readUIntBE(0, 3)
          received.push({
            type: rest.readUInt8(3),
            flags: rest.readUInt8(4),
            stream: rest.readUInt32BE(5),
            payload: rest.subarray(9, end)
          })
          rest = rest.subarray(end)
        }
        tell()
      })
      socket.on("close", () => {
        isClosed = true
        tell()
      })
      const until = <A>(look: () => A | undefined): Effect.Effect<A> =>
        Effect.callback<A>((resume) => {
          const waiter = (): void => {
            const found = look()
            if (found === undefined) return
            waiters.delete(waiter)
            resume(Effect.succeed(found))
          }
          waiters.add(waiter)
          waiter()
          return Effect.sync(() => void waiters.delete(waiter))
        })
      const announced = Buffer.concat(
        settings.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 255]), uint32(value)]))
      )
      socket.write(
        Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(Type.settings, 0, 0, announced)])
      )
      const peer: Peer & { readonly socket: Net.Socket } = {
        socket,
        received,
        write: (...frames) => void socket.write(Buffer.concat(frames)),
        stopReading: () => void socket.pause(),
        find: (isIt) => until(() => received.find(isIt)),
        closed: until(() => (isClosed ? (true as const) : undefined)).pipe(Effect.asVoid)
      }
      return peer
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )
