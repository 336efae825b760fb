/**
 * A `WebSocketStream` behind the events of a `WebSocket`, with what only it can do: to stop reading, so that a slow
 * page slows the server down, and to tell when the browser has taken what was sent.
 */
import * as Effect from "effect/Effect"
import type { BrowserWebSocket, BrowserWebSocketStream } from "../BrowserWebSocket.ts"

interface Listeners {
  readonly open: Array<(event: object) => void>
  readonly message: Array<(event: { readonly data: unknown }) => void>
  readonly close: Array<(event: { readonly code: number; readonly reason: string; readonly wasClean: boolean }) => void>
}

type Opened = Awaited<BrowserWebSocketStream["opened"]>

interface Aborting {
  readonly signal: unknown
  readonly abort: () => void
}

export class StreamSocket implements BrowserWebSocket {
  readonly url: string
  protocol = ""
  readyState = 0
  binaryType = "arraybuffer"
  /** What the browser has not taken yet. Text is counted in characters. */
  bufferedAmount = 0
  private readonly stream: BrowserWebSocketStream
  private readonly attempt: Aborting
  private readonly listeners: Listeners = { open: [], message: [], close: [] }
  private readonly drainListeners = new Set<() => void>()
  private writer: ReturnType<Opened["writable"]["getWriter"]> | undefined = undefined
  private lastWrite: Promise<void> = Promise.resolve()
  private reading: Promise<void> = Promise.resolve()
  private isPaused = false
  private readOn: (() => void) | undefined = undefined

  constructor(make: (signal: unknown) => BrowserWebSocketStream) {
    const { AbortController } = globalThis as unknown as { readonly AbortController: new () => Aborting }
    this.attempt = new AbortController()
    this.stream = make(this.attempt.signal)
    this.url = this.stream.url
    this.stream.opened.then(
      (opened) => this.opened(opened),
      () => {}
    )
    this.stream.closed.then(
      // What was received before comes first.
      ({ closeCode, reason }) => this.reading.then(() => this.ended(closeCode ?? 1005, reason, true)),
      () => this.ended(1006, "", false)
    )
  }

  addEventListener(type: "open" | "message" | "close", listener: (event: never) => void): void {
    const listeners: Array<(event: never) => void> = this.listeners[type]
    listeners.push(listener)
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.writer === undefined) return
    const size = data.length
    this.bufferedAmount += size
    const settled = (): void => {
      this.bufferedAmount -= size
      this.drain()
    }
    // A stream keeps the bytes that it is given, where a `WebSocket` copies. `closed` tells of a write that fails.
    this.lastWrite = this.writer.write(typeof data === "string" ? data : data.slice()).then(settled, settled)
  }

  close(code?: number, reason?: string): void {
    if (this.readyState === 0) return this.attempt.abort()
    if (this.readyState > 1) return
    this.readyState = 2
    this.resume()
    // What was sent before goes first, as with a `WebSocket`.
    void this.lastWrite.then(() =>
      this.stream.close({ ...(code === undefined ? undefined : { closeCode: code, reason }) })
    )
  }

  /** Waits until the browser has taken something, or the connection has ended. */
  readonly drained: Effect.Effect<void> = Effect.callback((resume) => {
    const listener = (): void => resume(Effect.void)
    this.drainListeners.add(listener)
    return Effect.sync(() => this.drainListeners.delete(listener))
  })

  /** Stops reading after the message that is being delivered. */
  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    this.readOn?.()
    this.readOn = undefined
  }

  private drain(): void {
    const listeners = [...this.drainListeners]
    this.drainListeners.clear()
    for (const listener of listeners) listener()
  }

  private opened({ protocol, readable, writable }: Opened): void {
    this.readyState = 1
    this.protocol = protocol
    this.writer = writable.getWriter()
    for (const listener of this.listeners.open) listener({})
    // A connection that breaks off fails the read; `closed` tells of that.
    this.reading = this.read(readable.getReader()).catch(() => {})
  }

  private async read(reader: ReturnType<Opened["readable"]["getReader"]>): Promise<void> {
    while (true) {
      const { done, value } = await reader.read()
      if (done) return
      for (const listener of this.listeners.message) listener({ data: value })
      if (!this.isPaused) continue
      await new Promise<void>((resume) => {
        this.readOn = resume
      })
    }
  }

  private ended(code: number, reason: string, wasClean: boolean): void {
    this.readyState = 3
    for (const listener of this.listeners.close) listener({ code, reason, wasClean })
    this.drain()
  }
}
