/**
 * The client in a page: from a URL to an open connection, over the browser's own `WebSocket`, or its `WebSocketStream`
 * where a program asks for that. No module that it imports needs Node, so it can be bundled for browsers, workers
 * included.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type { CloseError } from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { BrowserConnectError } from "./BrowserConnectError.ts"
import type { BrowserConnection } from "./BrowserConnection.ts"
import { WebSocketConstructor, WebSocketStreamConstructor } from "./BrowserWebSocket.ts"
import { globalWebSocket } from "./internal/globalWebSocket.ts"
import type { BrowserWebSocket } from "./BrowserWebSocket.ts"
import { beat } from "./internal/heartbeat.ts"
import { OpenWebSocket } from "./internal/OpenWebSocket.ts"
import { StreamSocket } from "./internal/StreamSocket.ts"
import type { HeartbeatOptions } from "./internal/HeartbeatOptions.ts"

export type { HeartbeatOptions } from "./internal/HeartbeatOptions.ts"

/**
 * A URL, as a string, or as an object of the class `URL`. It may be relative to the page.
 *
 * @category models
 * @since 0.1.0
 */
export type Url = string | { readonly href: string }

/**
 * Options of a connection in a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrowserClientOptions {
  /** The subprotocols to offer, in order of preference. Default: none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** How long a connection may take to open. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** How long `close` waits for the peer's close frame. Default: 10 seconds. */
  readonly closeTimeout?: Duration.Input | undefined
  /**
   * Maximum bytes of received messages that wait for the program; more close the connection with 4008. With
   * `WebSocketStream` it is the maximum of one message. Default: 16 MiB.
   */
  readonly receiveBufferSize?: number | undefined
  /**
   * Bytes of received messages that wait before the page stops reading and the server has to wait. Only
   * `WebSocketStream` can do that. Default: 64 KiB.
   */
  readonly receiveHighWaterMark?: number | undefined
  /** Bytes that may wait for the network before `send` waits. Default: 64 KiB. */
  readonly writeHighWaterMark?: number | undefined
  /**
   * Whether to use the browser's `WebSocketStream`, if it has one. Default: false, since a page of Chromium 156 crashes
   * when such a connection breaks off while a write is pending.
   */
  readonly webSocketStream?: boolean | undefined
  /** A heartbeat. Default: none, since the peer must know its message. */
  readonly heartbeat?: HeartbeatOptions | undefined
}

/**
 * Opens a connection.
 *
 * **Details**
 *
 * The Scope holds it: closing that closes the connection with 1000 and waits at most `closeTimeout`. The URL may be
 * relative to the page. An interruption while it connects gives the attempt up.
 *
 * **Example** (Talking to a server)
 *
 * ```ts skip-type-checking
 * const connection = yield* BrowserClient.connect("wss://echo.example/")
 * yield* connection.send("hello")
 * const message = yield* connection.receive
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = Effect.fnUntraced(function* (
  url: Url,
  options: BrowserClientOptions = {}
): Effect.fn.Return<BrowserConnection, BrowserConnectError, Scope.Scope> {
  const closeTimeout = Argument.duration("closeTimeout", options.closeTimeout ?? "10 seconds")
  const connection = yield* Effect.acquireRelease(
    open(typeof url === "string" ? url : url.href, options, closeTimeout),
    (connection) => connection.close(1000),
    { interruptible: true }
  )
  if (options.heartbeat !== undefined) yield* Effect.forkScoped(beat(connection, options.heartbeat))
  return connection
})

const open = Effect.fnUntraced(function* (
  url: string,
  options: BrowserClientOptions,
  closeTimeout: Duration.Duration
): Effect.fn.Return<OpenWebSocket, BrowserConnectError> {
  const construct = yield* WebSocketConstructor
  const constructStream =
    construct === globalWebSocket && options.webSocketStream === true ? yield* WebSocketStreamConstructor : undefined
  const protocols = options.subprotocols ?? []
  const settings = {
    closeTimeout,
    receiveBufferSize: Argument.limit("receiveBufferSize", options.receiveBufferSize ?? 16 << 20, 1),
    receiveHighWaterMark: Argument.limit("receiveHighWaterMark", options.receiveHighWaterMark ?? 64 << 10),
    writeHighWaterMark: Argument.limit("writeHighWaterMark", options.writeHighWaterMark ?? 64 << 10),
    heartbeat: options.heartbeat
  }
  const socket = yield* Effect.try({
    try: (): BrowserWebSocket =>
      constructStream === undefined
        ? construct(url, protocols)
        : new StreamSocket((signal) => constructStream(url, { protocols, signal })),
    catch: (cause) =>
      new BrowserConnectError({
        reason: nameOf(cause) === "SecurityError" ? "Blocked" : "Invalid",
        url: shown(url),
        cause
      })
  })
  const failed = (reason: "Failed" | "Timeout"): Effect.Effect<never, BrowserConnectError> =>
    Effect.fail(new BrowserConnectError({ reason, url: shown(url) }))
  const queue = yield* Queue.unbounded<Message, CloseError>()
  const whenOpen = opened(socket, failed("Failed"), () => new OpenWebSocket(socket, settings, queue))
  return yield* Effect.timeoutOrElse(whenOpen, {
    duration: Argument.duration("connectTimeout", options.connectTimeout ?? "10 seconds"),
    orElse: () => failed("Timeout")
  })
})

const opened = (
  socket: BrowserWebSocket,
  failed: Effect.Effect<never, BrowserConnectError>,
  make: () => OpenWebSocket
): Effect.Effect<OpenWebSocket, BrowserConnectError> =>
  Effect.callback((resume) => {
    socket.binaryType = "arraybuffer"
    // Messages may come before the fiber is resumed.
    socket.addEventListener("open", () => resume(Effect.succeed(make())))
    socket.addEventListener("close", () => resume(failed))
    return Effect.sync(() => socket.close())
  })

const nameOf = (cause: unknown): unknown => (cause instanceof Error ? cause.name : undefined)

// A query may hold a token.
const shown = (url: string): string => url.replace(/[?#].*$/s, "")
