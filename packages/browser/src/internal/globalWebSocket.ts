/**
 * The `WebSocket` class of the browser, and the parts of its objects that this package uses.
 */

/**
 * An object of the browser's `WebSocket` class.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrowserWebSocket {
  readonly url: string
  readonly protocol: string
  readonly readyState: number
  readonly bufferedAmount: number
  // The DOM says what the strings are; here they are written only.
  binaryType: string
  addEventListener(type: "open" | "message" | "close", listener: (event: never) => void): void
  send(data: string | Uint8Array<ArrayBuffer>): void
  close(code?: number, reason?: string): void
}

/** Opens the global `WebSocket`. */
export const globalWebSocket = (url: string, protocols: ReadonlyArray<string>): BrowserWebSocket => {
  const { WebSocket } = globalThis as unknown as {
    readonly WebSocket: new (url: string, protocols: ReadonlyArray<string>) => BrowserWebSocket
  }
  return new WebSocket(url, protocols)
}
