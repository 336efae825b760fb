/**
 * The `WebSocket` class of browsers, to the letter of https://websockets.spec.whatwg.org, over this client: for programs
 * and libraries that are written against that class, and for whoever thinks in events.
 *
 * {@link WebSocket} is ready to use and takes the place of the global class. {@link makeWebSocketClass} makes one that
 * runs on other services: a network in memory, other extensions, a proxy, a certificate of one's own.
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
import type { EventName } from "./internal/WebSocketEvents.ts"
import { CLOSED, CLOSING, CONNECTING, engineOf, OPEN, WebSocketImpl } from "./internal/WebSocketImpl.ts"
import type { Run } from "./internal/WebSocketImpl.ts"

/**
 * What may stand in place of the subprotocols.
 *
 * **Details**
 *
 * Deviation: the standard knows subprotocols only; Node, Bun and Deno take this.
 *
 * @category models
 * @since 0.1.0
 */
export interface WebSocketInit {
  /** The subprotocols to offer, best first. Default: none. */
  readonly protocols?: string | Iterable<string> | undefined
  /** Headers to add to the handshake. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | Iterable<readonly [string, string]> | undefined
}

/**
 * The events by name.
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
 * What a listener may be.
 *
 * @category models
 * @since 0.1.0
 */
export type Listener<A> = ((event: A) => unknown) | { readonly handleEvent: (event: A) => unknown }

/**
 * A WebSocket as browsers have it, and what `process.ref` and `process.unref` call: one that is not referenced does not
 * keep the process alive while it is open, and is not pinged.
 *
 * @category models
 * @since 0.1.0
 */
export interface WebSocket extends Refable.Refable {
  /** The URL, with scheme ws or wss. */
  readonly url: string
  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  readonly readyState: number
  /** The bytes of messages that were sent and that the system does not have yet. */
  readonly bufferedAmount: number
  /** The extensions that were agreed on, as the header says it. */
  readonly extensions: string
  /** The subprotocol that was agreed on, or the empty string. */
  readonly protocol: string
  /** What binary messages arrive as. Default: "blob". */
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
  /** Closes, with no code, 1000, or 3000 to 4999, and a reason of at most 123 bytes. What was sent before goes first. */
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
 * The class itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface WebSocketClass {
  /** Begins to connect. Throws a `SyntaxError` for a URL or subprotocols that cannot be. */
  new (url: string | URL, protocols?: string | Iterable<string> | WebSocketInit): WebSocket
  readonly prototype: WebSocket
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
}

/**
 * What a class may be told, for all of its objects. `maxCloseTime` is 10 minutes by default, so that `close()` loses
 * nothing of what was sent before it to a server that reads slowly; output that does not move ends by `keepalive`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Client.ClientOptions, "subprotocols" | "maxRedirects" | "maxBufferedBytes"> {
  /**
   * The most bytes that may wait for the server to read them, each message with 32 more; above it the connection is
   * dropped, with an `error` event and 1006. Default: 64 MiB.
   */
  readonly maxBufferedAmount?: number | undefined
}

/**
 * Makes a class that runs on the services of a context, or on those of a Layer, which is built when it is first needed
 * and never taken down.
 *
 * **Details**
 *
 * Extensions are offered as the services say. Redirects are not followed, as the standard has it; a server that chooses
 * none of the subprotocols offered is refused; user information in the URL is used to answer a 401. Each event is a task
 * of its own. Messages are taken from the connection as fast as their events are handled, and a script that is slow slows
 * the server down.
 *
 * Deviations: a URL is absolute, since there is no page; the second argument may be a {@link WebSocketInit}; the `error`
 * event is an `ErrorEvent` with `error` and `message`, typed as the failures of `Client.connect` are.
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
 * Makes a class whose objects live as long as the Scope at most: what is open when it closes is closed with 1001, as when
 * a page goes away.
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
      if (arguments.length === 0) throw new TypeError("WebSocket needs a URL")
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
      // Web IDL: what is no value of an enumeration is ignored.
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
      if (arguments.length === 0) throw new TypeError("send needs something to send")
      const converted = Arguments.toData(data)
      if (engine.readyState === CONNECTING) {
        throw new DOMException("nothing can be sent before the open event", "InvalidStateError")
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
 * The class on the usual network: TCP, TLS, all addresses of a name, proxies as the environment asks for, and
 * permessage-deflate.
 *
 * **Example** (In place of the global class)
 *
 * ```ts skip-type-checking
 * import { WebSocket } from "@effect-ws/client/WebSocket"
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
