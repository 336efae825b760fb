/**
 * The `WebSocket` class of browsers (https://websockets.spec.whatwg.org) on top of this client, for programs and
 * libraries that are written against that class or prefer events.
 *
 * {@link WebSocket} is ready to use in place of the global class. {@link makeWebSocketClass} makes a class that runs on
 * other services: an in-memory network, other extensions, a proxy, a custom certificate.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Refable from "@effect-ws/transport/Refable"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import * as Client from "./Client.ts"
import * as Arguments from "./internal/WebSocketArguments.ts"
import type { WebSocketInit } from "./internal/WebSocketArguments.ts"
import type { EventName } from "./internal/WebSocketEvents.ts"
import { CLOSED, CLOSING, CONNECTING, engineOf, OPEN, WebSocketImpl } from "./internal/WebSocketImpl.ts"
import type { Run } from "./internal/WebSocketImpl.ts"

export type { WebSocketInit }

/**
 * Event types by name.
 *
 * @category models
 * @since 0.1.0
 */
export interface WebSocketEventMap {
  readonly open: Event
  readonly message: MessageEvent
  readonly error: Event
  readonly close: CloseEvent
}

/**
 * A listener: a function or an object with `handleEvent`.
 *
 * @category models
 * @since 0.1.0
 */
export type Listener<A> = ((event: A) => unknown) | { readonly handleEvent: (event: A) => unknown }

/**
 * A WebSocket of browsers, with the methods that `process.ref` and `process.unref` call. An unreferenced WebSocket does
 * not keep the process alive while it is open, and sends no pings.
 *
 * @category models
 * @since 0.1.0
 */
export interface WebSocket extends Refable.Refable {
  /** The URL, with scheme ws or wss. */
  readonly url: string
  /** 0 (connecting), 1 (open), 2 (closing) or 3 (closed). */
  readonly readyState: number
  /** Bytes of messages that were sent and are not yet passed to the operating system. */
  readonly bufferedAmount: number
  /** Negotiated extensions, as in the response header. */
  readonly extensions: string
  /** Negotiated subprotocol, or the empty string. */
  readonly protocol: string
  /** Type of the data of binary messages. Default: "blob". */
  binaryType: "blob" | "arraybuffer"
  onopen: ((event: Event) => unknown) | null
  onmessage: ((event: MessageEvent) => unknown) | null
  onerror: ((event: Event) => unknown) | null
  onclose: ((event: CloseEvent) => unknown) | null
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
  /** Sends a message: a string as text, anything else as binary. Throws while connecting. */
  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void
  /** Closes with no code, 1000, or 3000 to 4999, and a reason of at most 123 bytes, after all pending messages. */
  close(code?: number, reason?: string): void
  addEventListener<K extends EventName>(
    type: K,
    listener: Listener<WebSocketEventMap[K]> | null,
    options?: boolean | AddEventListenerOptions
  ): void
  removeEventListener<K extends EventName>(
    type: K,
    listener: Listener<WebSocketEventMap[K]> | null,
    options?: boolean | { readonly capture?: boolean }
  ): void
  dispatchEvent(event: Event): boolean
}

/**
 * The constructor.
 *
 * @category models
 * @since 0.1.0
 */
export interface WebSocketClass {
  /** Starts to connect. Throws a `SyntaxError` for an invalid URL or invalid subprotocols. */
  new (url: string | URL, protocols?: string | Iterable<string> | WebSocketInit): WebSocket
  readonly prototype: WebSocket
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
}

/**
 * Options of a class, which apply to all of its objects. `maxCloseTime` is 10 minutes by default, so that `close()`
 * loses no message to a server that reads slowly; `keepalive` detects a connection whose output stalls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Client.ClientOptions, "subprotocols" | "maxRedirects" | "maxBufferedBytes"> {
  /**
   * Maximum bytes that wait for the server to read them; each message counts 32 more. Above it, the client drops the
   * connection with an `error` event and code 1006. Default: 64 MiB.
   */
  readonly maxBufferedAmount?: number | undefined
}

/**
 * Makes a class that runs on the services of a context, or of a Layer. The Layer is built on first use and never
 * released.
 *
 * **Details**
 *
 * The objects offer the extensions of the services. They do not follow redirects, as the standard demands. They reject
 * a server that chooses none of the offered subprotocols. User information in the URL answers a 401. Each event is a
 * task of its own. The connection is read as fast as the handlers run, so a slow script slows the server down.
 *
 * Deviations: a URL is absolute, since there is no page; the second argument may be a {@link WebSocketInit}; the
 * `error` event is an `ErrorEvent` whose `error` and `message` come from the failures of `Client.connect`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWebSocketClass = <E>(
  services: Context.Context<Dialer> | Layer.Layer<Dialer, E>,
  options?: Options
): WebSocketClass => {
  if (Context.isContext(services)) return define(Effect.runForkWith(services as Context.Context<Dialer>), options)
  const runtime = ManagedRuntime.make(services as Layer.Layer<Dialer, E>)
  return define((effect) => runtime.runFork(effect), options)
}

/**
 * Makes a class whose objects live at most as long as the Scope. When it closes, open objects close with 1001, as when
 * a browser leaves a page.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<WebSocketClass, never, Dialer | Scope.Scope> =>
  Effect.map(FiberSet.makeRuntime<Dialer>(), (run) => define(run, options))

const defaultMaxBufferedAmount = 64 * 1024 * 1024

const define = (
  run: Run,
  { maxBufferedAmount = defaultMaxBufferedAmount, ...client }: Options = {}
): WebSocketClass => {
  const settings = { client, maxBufferedAmount: Argument.limit("maxBufferedAmount", maxBufferedAmount) }

  class WebSocket extends EventTarget {
    constructor(url: unknown, protocols: unknown = []) {
      if (arguments.length === 0) throw new TypeError("expected a URL as first argument of WebSocket")
      super()
      // Web IDL converts all arguments before the first step.
      const text = Arguments.toUsvString(url)
      const handshake = Arguments.toHandshake(protocols)
      WebSocketImpl.start(this, Arguments.toUrl(text), handshake, run, settings)
    }

    get url(): string {
      return engineOf(this).url.href
    }
    get readyState(): number {
      return engineOf(this).readyState
    }
    get bufferedAmount(): number {
      return engineOf(this).bufferedAmount
    }
    get extensions(): string {
      return engineOf(this).extensions
    }
    get protocol(): string {
      return engineOf(this).protocol
    }
    get binaryType(): "blob" | "arraybuffer" {
      return engineOf(this).binaryType
    }
    set binaryType(value) {
      const engine = engineOf(this)
      // Web IDL: a value outside of the enumeration is ignored.
      const type = `${value}`
      if (type === "blob" || type === "arraybuffer") engine.binaryType = type
    }

    get onopen(): object | null {
      return engineOf(this).handlers.get("open")
    }
    set onopen(value) {
      engineOf(this).handlers.set("open", value)
    }
    get onmessage(): object | null {
      return engineOf(this).handlers.get("message")
    }
    set onmessage(value) {
      engineOf(this).handlers.set("message", value)
    }
    get onerror(): object | null {
      return engineOf(this).handlers.get("error")
    }
    set onerror(value) {
      engineOf(this).handlers.set("error", value)
    }
    get onclose(): object | null {
      return engineOf(this).handlers.get("close")
    }
    set onclose(value) {
      engineOf(this).handlers.set("close", value)
    }

    close(...[code, reason]: ReadonlyArray<unknown>): void {
      const engine = engineOf(this)
      const close = Arguments.toClose(code, reason)
      engine.close(close.code, close.reason)
    }

    send(data: unknown): void {
      const engine = engineOf(this)
      if (arguments.length === 0) throw new TypeError("expected an argument of send")
      const converted = Arguments.toData(data)
      if (engine.readyState === CONNECTING) {
        throw new DOMException("cannot send before the open event", "InvalidStateError")
      }
      engine.send(converted)
    }

    [Refable.ref](): void {
      engineOf(this).setReferenced(true)
    }
    [Refable.unref](): void {
      engineOf(this).setReferenced(false)
    }

    get [Symbol.toStringTag](): string {
      return "WebSocket"
    }
  }

  // Web IDL: members are enumerable, and constants stand on the class and on its prototype.
  for (const name of Object.getOwnPropertyNames(WebSocket.prototype)) {
    if (name !== "constructor") Object.defineProperty(WebSocket.prototype, name, { enumerable: true })
  }
  const constants = Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })
  for (const [name, value] of constants) {
    for (const owner of [WebSocket, WebSocket.prototype])
      Object.defineProperty(owner, name, { value, enumerable: true })
  }
  return WebSocket as unknown as WebSocketClass
}

/**
 * The class on TCP and TLS, with all addresses of a name tried in parallel, the proxies of the environment, and
 * permessage-deflate.
 *
 * **Example** (In place of the global class)
 *
 * ```ts skip-type-checking
 * import { WebSocket } from "@effect-ws/client/WebSocketClass"
 *
 * const socket = new WebSocket("wss://echo.example/")
 * socket.onopen = () => socket.send("hello")
 * socket.onmessage = (event) => console.log(event.data)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const WebSocket: WebSocketClass = /* @__PURE__ */ makeWebSocketClass(
  Layer.merge(Client.layerDialer(), PermessageDeflate.layer())
)
