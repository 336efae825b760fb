/**
 * The part of the browser's `WebSocket` class that this package uses, and where it comes from: the global, unless the
 * program provides another one. Written out here, so that programs without the types of the DOM can use the package.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

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

/**
 * Opens a WebSocket, as `new WebSocket(url, protocols)` does.
 *
 * @category references
 * @since 0.1.0
 */
export const WebSocketConstructor: Context.Reference<
  (url: string, protocols: ReadonlyArray<string>) => BrowserWebSocket
> = Context.Reference("@effect-ws/browser/WebSocketConstructor", {
  defaultValue: () => (url: string, protocols: ReadonlyArray<string>) => {
    const { WebSocket } = globalThis as unknown as {
      readonly WebSocket: new (url: string, protocols: ReadonlyArray<string>) => BrowserWebSocket
    }
    return new WebSocket(url, protocols)
  }
})
