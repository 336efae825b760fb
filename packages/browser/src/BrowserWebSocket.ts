/**
 * The parts of the browser's `WebSocket` and `WebSocketStream` that this package uses, and where they come from: the
 * globals, unless the program provides others. Written out here, so that programs without the types of the DOM can use
 * the package.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { globalWebSocket } from "./internal/globalWebSocket.ts"
import type { BrowserWebSocket } from "./internal/globalWebSocket.ts"

export type { BrowserWebSocket } from "./internal/globalWebSocket.ts"

/**
 * An object of the browser's `WebSocketStream` class, which Chromium has.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrowserWebSocketStream {
  readonly url: string
  readonly opened: Promise<{
    readonly protocol: string
    readonly readable: {
      readonly getReader: () => { readonly read: () => Promise<{ readonly done: boolean; readonly value?: unknown }> }
    }
    readonly writable: {
      readonly getWriter: () => { readonly write: (data: string | Uint8Array<ArrayBuffer>) => Promise<void> }
    }
  }>
  readonly closed: Promise<{ readonly closeCode?: number | null; readonly reason: string }>
  close(info: { readonly closeCode?: number | undefined; readonly reason?: string | undefined }): void
}

/**
 * Opens a WebSocket, as `new WebSocket(url, protocols)` does. Where a program provides one, `WebSocketStream` is not
 * used.
 *
 * @category references
 * @since 0.1.0
 */
export const WebSocketConstructor: Context.Reference<
  (url: string, protocols: ReadonlyArray<string>) => BrowserWebSocket
> = Context.Reference("@effect-ws/browser/WebSocketConstructor", {
  defaultValue: () => globalWebSocket
})

/**
 * Options of a `WebSocketStream`. `signal` is an `AbortSignal` that gives the attempt up.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrowserWebSocketStreamOptions {
  readonly protocols: ReadonlyArray<string>
  readonly signal: unknown
}

/**
 * Opens a WebSocketStream, as `new WebSocketStream(url, options)` does; `undefined` where the browser has none.
 *
 * @category references
 * @since 0.1.0
 */
export const WebSocketStreamConstructor: Context.Reference<
  ((url: string, options: BrowserWebSocketStreamOptions) => BrowserWebSocketStream) | undefined
> = Context.Reference("@effect-ws/browser/WebSocketStreamConstructor", {
  defaultValue: () => {
    const { WebSocketStream } = globalThis as unknown as {
      readonly WebSocketStream?: new (url: string, options: BrowserWebSocketStreamOptions) => BrowserWebSocketStream
    }
    return WebSocketStream === undefined
      ? undefined
      : (url: string, options: BrowserWebSocketStreamOptions) => new WebSocketStream(url, options)
  }
})
