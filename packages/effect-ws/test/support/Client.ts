/** Clients that are not ours, as effects: Node's own `WebSocket`, and HTTP over any stream. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Duplex } from "node:stream"

/** An open WebSocket: messages and the close event, to be awaited one by one. */
export interface Client {
  readonly socket: WebSocket
  readonly send: (data: string | Uint8Array<ArrayBuffer>) => Effect.Effect<void>
  /** Waits for the next message: a string, or bytes. */
  readonly receive: Effect.Effect<string | Uint8Array>
  readonly closed: Effect.Effect<CloseEvent>
}

/** Opens Node's own WebSocket; the test dies where the server refuses. */
export const open = (url: string, protocols: ReadonlyArray<string> = []): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly socket: WebSocket; readonly closed: Promise<CloseEvent> }>((resume) => {
        const socket = new WebSocket(url, [...protocols])
        socket.binaryType = "arraybuffer"
        const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve))
        socket.addEventListener("open", () => resume(Effect.succeed({ socket, closed })))
        socket.addEventListener("error", () => resume(Effect.die(new Error(`${url} could not be opened`))))
      }),
      ({ socket }) => Effect.sync(() => socket.close())
    ),
    ({ closed, socket }) => {
      const received: Array<string | Uint8Array> = []
      const waiting: Array<(data: string | Uint8Array) => void> = []
      socket.addEventListener("message", ({ data }: MessageEvent) => {
        const message = typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer)
        const waiter = waiting.shift()
        if (waiter === undefined) received.push(message)
        else waiter(message)
      })
      return {
        socket,
        send: (data) => Effect.sync(() => socket.send(data)),
        receive: Effect.promise(
          () =>
            new Promise((resolve) => {
              const message = received.shift()
              if (message === undefined) waiting.push(resolve)
              else resolve(message)
            })
        ),
        closed: Effect.promise(() => closed)
      }
    }
  )

/** Sends text over a stream, and gives everything that comes back until the other end is done. */
export const exchange = (stream: Duplex, text: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let answer = ""
    stream.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")))
    stream.on("end", () => {
      stream.destroy()
      resume(Effect.succeed(answer))
    })
    stream.on("error", (error) => resume(Effect.die(error)))
    stream.write(text)
  })

/** The lines of a request that asks for a WebSocket. */
export const upgrade = (path: string, ...more: ReadonlyArray<string>): string =>
  [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...more,
    "\r\n"
  ].join("\r\n")
