/**
 * The implementation of an object of the standard's class: the ready state, the connection once it is open, and the
 * events in order. Each event is a task of its own, so that promise callbacks run before the next event.
 *
 * One fiber runs from the constructor to the `close` event: it connects, and waits for the end. In between, the
 * connection runs in callback mode: a script has no fibers, and a fiber for each message would cost more than
 * everything else.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Polling from "@effect-ws/connection/Polling"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as ExtensionHeader from "@effect-ws/protocol/ExtensionHeader"
import * as Frame from "@effect-ws/protocol/Frame"
import { HandshakeConfigError } from "@effect-ws/protocol/HandshakeConfigError"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Refable from "@effect-ws/transport/Refable"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"
import type * as Scope from "effect/Scope"
import * as Client from "../Client.ts"
import { hasBadPort } from "./badPort.ts"
import { sizeOf } from "./WebSocketArguments.ts"
import { closeEvent, errorEvent, Handlers, messageEvent } from "./WebSocketEvents.ts"

export const CONNECTING = 0
export const OPEN = 1
export const CLOSING = 2
export const CLOSED = 3

/** Runs an effect with the services of the class. */
export type Run = <A, E>(effect: Effect.Effect<A, E, Dialer>) => Fiber.Fiber<A, unknown>

export interface Settings {
  readonly client: Omit<Client.ClientOptions, "subprotocols" | "maxRedirects" | "maxBufferedBytes">
  readonly maxBufferedAmount: number
}

type Outgoing =
  | { readonly _tag: "Data"; readonly data: string | Uint8Array }
  | { readonly _tag: "Blob"; readonly blob: Blob }
  | { readonly _tag: "Close"; readonly code: number | undefined; readonly reason: string }

// Approximate cost of a message beside its payload, so that a flood of empty messages is bounded too.
const MESSAGE_BYTES = 32

// 64 MiB at 1 Mbit/s take about nine minutes.
const longestClose = Duration.minutes(10)

// Maximum number of events taken from the connection at a time.
const BATCH = 64

export class WebSocketImpl implements Polling.Poller {
  // A server may wait for this end to read before it reads itself.
  readonly readsWhileBlocked = true
  readyState = CONNECTING
  binaryType: "blob" | "arraybuffer" = "blob"
  bufferedAmount = 0
  extensions = ""
  protocol = ""
  readonly url: URL
  readonly handlers: Handlers

  private readonly target: EventTarget
  private readonly settings: Settings
  private readonly fiber: Fiber.Fiber<unknown, unknown>
  private connection: Connection | undefined = undefined
  private poll: Polling.Poll | undefined = undefined
  private readonly delivered = Latch.makeUnsafe(false)

  // Messages taken from the connection; each is delivered in a task of its own.
  private readonly arrived = MutableList.make<string | Uint8Array>()
  isPaused = false
  private isReferenced = true

  // Sizes of the messages that the connection has accepted and not yet passed to the operating system.
  private readonly unsent = MutableList.make<number>()
  // Sends and closes that wait behind a Blob that is being read.
  private waiting: Array<Outgoing> | undefined = undefined

  /** Starts the implementation of a new object. */
  static start(...parts: ConstructorParameters<typeof WebSocketImpl>): void {
    engines.set(parts[0], new WebSocketImpl(...parts))
  }

  constructor(
    target: EventTarget,
    url: URL,
    handshake: { readonly subprotocols: ReadonlyArray<string>; readonly headers: HeaderFields.HeaderFields },
    run: Run,
    settings: Settings
  ) {
    this.target = target
    this.url = url
    this.settings = settings
    this.handlers = new Handlers(target)
    this.fiber = run(Effect.scoped(this.run(handshake.subprotocols, handshake.headers)))
    // Building the services of the class may fail too, so this observes the fiber from outside.
    this.fiber.addObserver((exit) => {
      const { connection } = this
      if (connection === undefined) setImmediate(() => this.failed(errorOf(exit)))
      else
        Effect.runFork(
          Effect.andThen(
            task,
            Effect.flatMap(connection.closed, (closeInfo) => this.ended(closeInfo))
          )
        )
    })
  }

  private run(
    subprotocols: ReadonlyArray<string>,
    headers: HeaderFields.HeaderFields
  ): Effect.Effect<void, unknown, Dialer | Scope.Scope> {
    const { client } = this.settings
    // The standard fetches with the redirect mode "error".
    const options = {
      ...client,
      subprotocols,
      headers: [...HeaderFields.fromInput(client.headers), ...headers],
      maxRedirects: 0,
      // A script can wait for its messages only by closing.
      maxCloseTime: client.maxCloseTime ?? longestClose,
      // `maxBufferedAmount` is the bound.
      maxBufferedBytes: Infinity,
      // Events have bytes of their own, and no more is taken before the last of them is delivered.
      reuseReceiveBuffers: true
    }
    return Effect.gen({ self: this }, function* () {
      // Fetch, which the standard's handshake uses: "If the result of running block bad port [...] is blocked, then
      // return a network error"
      if (hasBadPort(this.url)) return yield* blocked(this.url)
      const connection = yield* Client.connect(this.url, options)
      if (subprotocols.length > 0 && connection.subprotocol === undefined) {
        yield* connection.abort("the server chose no subprotocol")
        return yield* new CloseError.ProtocolError({ reason: "the server chose none of the subprotocols offered" })
      }
      this.connection = connection
      if (!this.isReferenced) Refable.set(connection, false)
      this.poll = Polling.poll(connection, ["Sent"], this)
      yield* task
      this.opened(connection)
      this.onReady()
      yield* this.delivered.await
      yield* task
      if (this.readyState === OPEN) this.readyState = CLOSING
      yield* connection.closed
    })
  }

  // -- feedback from the protocol -------------------------------------------------------------------------------------

  // "When the WebSocket connection is established"
  private opened(connection: Connection): void {
    if (this.readyState !== CONNECTING) return
    this.readyState = OPEN
    this.extensions = ExtensionHeader.render(connection.extensions)
    this.protocol = connection.subprotocol ?? ""
    this.target.dispatchEvent(new Event("open"))
  }

  // Replies to messages that arrived together leave in one write, in place of one for each task.
  get holdsWrites(): boolean {
    return this.arrived.length > 0 && !this.isPaused
  }

  // The connection has events to take.
  onReady(): void {
    setImmediate(take, this)
  }

  // Runs as a task: takes the events, delivers the first message, and schedules a task for each of the others.
  take(): void {
    const poll = this.poll!
    const events = poll.take(BATCH)
    for (const event of events) {
      if (event._tag === "Sent") this.sent()
      else if (event._tag === "Text" || event._tag === "Binary") MutableList.append(this.arrived, event.data)
    }
    if (this.arrived.length > 0) {
      for (let others = this.arrived.length - 1; others > 0; others--) setImmediate(deliver, this)
      this.deliver()
    } else {
      this.goOn()
    }
  }

  private goOn(): void {
    const poll = this.poll!
    if (poll.done()) return
    if (poll.isEnded) this.delivered.openUnsafe()
    else this.onReady()
  }

  deliver(): void {
    if (this.isPaused) return
    const data = MutableList.take(this.arrived)
    if (data === MutableList.Empty) return
    const isLast = this.arrived.length === 0
    this.received(data)
    if (isLast) this.goOn()
  }

  // "When a WebSocket message has been received"
  private received(data: string | Uint8Array): void {
    if (this.readyState !== OPEN) return
    const dataForEvent =
      typeof data === "string"
        ? data
        : this.binaryType === "blob"
          ? new Blob([data as Uint8Array<ArrayBuffer>])
          : new Uint8Array(data).buffer
    this.target.dispatchEvent(messageEvent(dataForEvent, this.url.origin))
  }

  // "When the WebSocket connection is closed"
  private ended({ error, failed, clean, received }: CloseInfo): Effect.Effect<void> {
    return Effect.sync(() => {
      // RFC 6455 7.1.7: after a failure "a responding Close frame" is not read. 7.2.1: a transport that "is
      // unexpectedly lost" is a failure of the connection.
      if (failed || received === undefined) this.failed(error)
      else this.closed({ code: received.code ?? 1005, reason: received.reason, wasClean: clean })
    })
  }

  private failed(error: Error): void {
    this.readyState = CLOSED
    this.target.dispatchEvent(errorEvent(error))
    this.closed({ code: 1006, reason: "", wasClean: false })
  }

  private closed(init: { readonly code: number; readonly reason: string; readonly wasClean: boolean }): void {
    this.readyState = CLOSED
    this.waiting = undefined
    this.target.dispatchEvent(closeEvent(init))
  }

  // -- what the script sends ------------------------------------------------------------------------------------------

  send(data: string | Uint8Array | Blob): void {
    const size = sizeOf(data)
    this.bufferedAmount += size
    const { connection, readyState } = this
    // Data sent now is discarded, and stays counted in `bufferedAmount`.
    if (readyState !== OPEN || connection === undefined) return
    const messages = this.unsent.length + (this.waiting?.length ?? 0)
    if (this.bufferedAmount + messages * MESSAGE_BYTES > this.settings.maxBufferedAmount) {
      return this.drop(`buffered bytes exceed maxBufferedAmount (${this.settings.maxBufferedAmount})`)
    }
    if (data instanceof Blob) return this.inOrder({ _tag: "Blob", blob: data })
    // The script may change its buffer as soon as this returns, so data that is not written by then needs a copy.
    const isKept = this.waiting !== undefined || connection.extensions.length > 0
    this.inOrder({ _tag: "Data", data: typeof data !== "string" && isKept ? new Uint8Array(data) : data })
  }

  close(code: number | undefined, reason: string): void {
    if (this.readyState >= CLOSING) return
    this.readyState = CLOSING
    this.resume()
    if (this.connection === undefined) this.fiber.interruptUnsafe()
    else this.inOrder({ _tag: "Close", code, reason })
  }

  /** Sets whether this object keeps the process alive. Before it is open, it always does. */
  setReferenced(isReferenced: boolean): void {
    this.isReferenced = isReferenced
    if (this.connection !== undefined) Refable.set(this.connection, isReferenced)
  }

  /** Stops delivering messages, which slows the peer down; see `WebSocketConstructor`. */
  pause(): void {
    if (this.readyState >= CLOSING || this.isPaused) return
    this.isPaused = true
    this.poll?.flushSync()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    for (let left = this.arrived.length; left > 0; left--) setImmediate(deliver, this)
  }

  private inOrder(outgoing: Outgoing): void {
    if (this.waiting === undefined) this.perform(outgoing)
    else this.waiting.push(outgoing)
  }

  private perform(outgoing: Outgoing): void {
    switch (outgoing._tag) {
      case "Data":
        return this.transmit(outgoing.data)
      case "Close":
        return this.beginClose(outgoing.code, outgoing.reason)
      case "Blob":
        this.waiting ??= []
        outgoing.blob.arrayBuffer().then(
          (bytes) => {
            this.transmit(new Uint8Array(bytes))
            this.afterBlob()
          },
          (cause: unknown) => this.drop(`cannot read the Blob: ${String(cause)}`)
        )
    }
  }

  // Sends everything up to the next Blob.
  private afterBlob(): void {
    const waiting = this.waiting ?? []
    const next = waiting.findIndex(({ _tag }) => _tag === "Blob")
    const ready = waiting.splice(0, next === -1 ? waiting.length : next + 1)
    if (next === -1) this.waiting = undefined
    for (const outgoing of ready) this.perform(outgoing)
  }

  private transmit(data: string | Uint8Array): void {
    MutableList.append(this.unsent, sizeOf(data))
    this.poll!.sendSync(data)
  }

  private beginClose(code: number | undefined, reason: string): void {
    const connection = this.connection!
    const closing: Effect.Effect<unknown, unknown> =
      code === undefined ? connection.sendFrame(Frame.close()) : connection.close(code, reason)
    Effect.runFork(closing)
    // `flushed` completes when all data so far has been passed to the operating system.
    Effect.runFork(connection.flushed).addObserver((exit) => {
      if (Exit.isSuccess(exit)) {
        setImmediate(() => {
          while (this.unsent.length > 0) this.sent()
        })
      }
    })
  }

  // "Flag the WebSocket as full and then close the WebSocket connection."
  private drop(why: string): void {
    this.waiting = undefined
    Effect.runFork(this.connection!.abort(why))
  }

  private sent(): void {
    const size = MutableList.take(this.unsent)
    if (size !== MutableList.Empty) this.bufferedAmount -= size
  }
}

const take = (engine: WebSocketImpl): void => engine.take()
const deliver = (engine: WebSocketImpl): void => engine.deliver()

// Not fields of the object, because classes that extend ours have fields of their own.
const engines = new WeakMap<object, WebSocketImpl>()

/** Returns the implementation of an object. */
export const engineOf = (self: object): WebSocketImpl => {
  const engine = engines.get(self)
  if (engine === undefined) throw new TypeError("Illegal invocation: not a WebSocket")
  return engine
}

/** A turn of the event loop: "queue a task". */
const task: Effect.Effect<void> = Effect.callback((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

const blocked = ({ port }: URL): HandshakeConfigError =>
  new HandshakeConfigError({ rule: "InvalidUrl", detail: `port ${port} is blocked by the Fetch standard` })

const errorOf = (exit: Exit.Exit<unknown, unknown>): Error => {
  if (Exit.hasInterrupts(exit)) return new Error("the WebSocket was closed before the connection opened")
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return error instanceof Error ? error : new Error(error === undefined ? "no connection" : String(error))
}
