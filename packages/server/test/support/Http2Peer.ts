/**
 * Node's HTTP/2 client, with handwritten WebSocket frames. It shows details that our own client would hide.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Http2 from "node:http2"

/** The outcome of a stream. */
export interface Exchange {
  readonly stream: Http2.ClientHttp2Stream
  readonly status: Promise<number>
  readonly headers: Promise<Http2.IncomingHttpHeaders>
  /** All bytes up to the end of the stream. */
  readonly body: Promise<Buffer>
  /** The error code with which the stream was closed. */
  readonly code: Promise<number>
  /** Waits until at least `count` bytes have arrived, and returns all of them. */
  readonly bytes: (count: number) => Promise<Buffer>
}

/** Opens a session. Closing the Scope closes it. */
export const session = (
  url: string,
  options?: Http2.SecureClientSessionOptions
): Effect.Effect<Http2.ClientHttp2Session, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Http2.ClientHttp2Session>((resume) => {
      const opened = Http2.connect(url, options)
      opened.on("error", () => {})
      opened.once("remoteSettings", () => resume(Effect.succeed(opened)))
    }),
    (opened) => Effect.sync(() => opened.destroy())
  )

/** Sends a request and records the outcome. */
export const exchange = (
  on: Http2.ClientHttp2Session,
  headers: Http2.OutgoingHttpHeaders,
  options?: Http2.ClientSessionRequestOptions
): Exchange => {
  const stream = on.request(headers, options)
  const chunks: Array<Buffer> = []
  let length = 0
  const waiters = new Set<() => void>()
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    for (const waiter of waiters) waiter()
  })
  stream.on("error", () => {})
  const response = new Promise<Http2.IncomingHttpHeaders>((resolve) => void stream.once("response", resolve))
  return {
    stream,
    headers: response,
    status: response.then((fields) => Number(fields[":status"])),
    body: new Promise((resolve) => void stream.once("end", () => resolve(Buffer.concat(chunks)))),
    code: new Promise((resolve) => void stream.once("close", () => resolve(stream.rstCode))),
    bytes: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (length < count) return
          waiters.delete(look)
          resolve(Buffer.concat(chunks))
        }
        waiters.add(look)
        look()
      })
  }
}

/** Requests a WebSocket. */
export const connect = (
  on: Http2.ClientHttp2Session,
  headers: Http2.OutgoingHttpHeaders = {},
  options: Http2.ClientSessionRequestOptions = { endStream: false }
): Exchange =>
  exchange(
    on,
    {
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "http",
      ":path": "/",
      ":authority": "localhost",
      "sec-websocket-version": "13",
      ...headers
    },
    options
  )

/** A text frame of a client, masked with zeros. */
export const text = (content: string): Buffer => frame(0x81, Buffer.from(content))

/** A close frame of a client. */
export const close = (code: number): Buffer => frame(0x88, Buffer.from([code >> 8, code & 255]))

export const frame = (first: number, payload: Buffer): Buffer => {
  const { length } = payload
  const head =
    length < 126
      ? [first, 0x80 | length]
      : length < 65536
        ? [first, 0x80 | 126, length >> 8, length & 255]
        : [
            first,
            0x80 | 127,
            0,
            0,
            0,
            0,
            (length >>> 24) & 255,
            (length >>> 16) & 255,
            (length >>> 8) & 255,
            length & 255
          ]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload])
}
