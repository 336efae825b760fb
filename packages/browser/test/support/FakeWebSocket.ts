/** The browser's `WebSocket` as a test plays it: what the page does is recorded, what the browser does is called. */
import type { BrowserWebSocket } from "../../src/BrowserWebSocket.ts"

export class FakeWebSocket implements BrowserWebSocket {
  readonly url: string
  protocol = ""
  readyState = 0
  bufferedAmount = 0
  binaryType = "blob"
  private readonly listeners = new Map<string, Array<(event: never) => void>>()
  readonly sent: Array<string | Uint8Array> = []
  readonly closes: Array<readonly [code: number | undefined, reason: string | undefined]> = []
  /** Whether the peer answers a close at once. */
  answers = true

  constructor(url: string) {
    this.url = url
  }

  opens(protocol = ""): void {
    this.protocol = protocol
    this.readyState = 1
    this.dispatch("open", {})
  }
  receives(data: string | ArrayBuffer): void {
    this.dispatch("message", { data })
  }
  ends(code: number, reason = "", wasClean = code !== 1006): void {
    this.readyState = 3
    this.dispatch("close", { code, reason, wasClean })
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener])
  }
  private dispatch(type: string, event: object): void {
    for (const listener of this.listeners.get(type) ?? []) listener(event as never)
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.sent.push(data)
  }
  close(code?: number, reason?: string): void {
    this.closes.push([code, reason])
    if (this.readyState >= 2) return
    const wasOpen = this.readyState === 1
    this.readyState = 2
    if (this.answers) this.ends(wasOpen ? (code ?? 1005) : 1006, reason)
  }
}
