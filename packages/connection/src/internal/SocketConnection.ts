/**
 * A connection as a program sees it: what it takes, what it sends, and how it closes, on top of `Line`.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Pending } from "@effect-ws/protocol/Extension"
import type * as Frame from "@effect-ws/protocol/Frame"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type * as Message from "@effect-ws/protocol/Message"
import type { Misuse } from "@effect-ws/protocol/Misuse"
import { contentOf } from "@effect-ws/protocol/PreparedMessage"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import { checkClose } from "@effect-ws/protocol/Session"
import type { Closure, SendFailure, SendOptions } from "@effect-ws/protocol/Session"
import { peerInfo } from "@effect-ws/transport/Push"
import * as Refable from "@effect-ws/transport/Refable"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as NetAddress from "effect/net/NetAddress"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { TypeId } from "../Connection.ts"
import type { Connection, ConnectionEvent, MessageStream } from "../Connection.ts"
import type { Recipient } from "../Fanout.ts"
import * as Demand from "./Demand.ts"
import { dataEvent } from "./describe.ts"
import { Line } from "./Line.ts"
import type { End } from "./Line.ts"
import type { Peer } from "../Peer.ts"
import { unknown } from "../Peer.ts"
import type { Poller } from "../Polling.ts"
import type { Meter } from "./Meter.ts"
import { OutputProgress } from "./OutputProgress.ts"
import { Pings } from "./Pings.ts"
import { Primitive } from "./Primitive.ts"

class Sending extends Primitive<void, CloseError.CloseError | Misuse> {
  private readonly connection: SocketConnection
  private readonly data: string | Uint8Array | Message.Message | PreparedMessage
  private readonly options: SendOptions | undefined

  constructor(
    connection: SocketConnection,
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options: SendOptions | undefined
  ) {
    super()
    this.connection = connection
    this.data = data
    this.options = options
  }

  perform(): Effect.Effect<void, CloseError.CloseError | Misuse> {
    return this.connection.sendInOrder(this.data, this.options)
  }
}

export class SocketConnection extends Line implements Connection, Recipient, Demand.Source {
  private messageLock: Semaphore.Semaphore | undefined = undefined
  // Whether the handlers of a server take what arrives.
  private handled = false

  get [TypeId](): typeof TypeId {
    return TypeId
  }
  get peer(): Peer {
    return this.forwarded ?? peerInfo(this.socket) ?? peerInfo(this.reader) ?? unknown
  }
  get remoteAddress(): NetAddress.SocketAddress | undefined {
    return this.peer.remoteAddress
  }
  get context(): Context.Context<never> {
    return Context.isContext(this.attached) ? this.attached : Context.empty()
  }
  get response(): ResponseHead | undefined {
    return Context.isContext(this.attached) ? undefined : this.attached
  }
  get buffered(): { readonly inbound: number; readonly outbound: number } {
    return { inbound: this.inboundBytes, outbound: this.outboundBytes }
  }
  get latency(): Duration.Duration | undefined {
    return this.pings?.latency
  }
  get meter(): Meter | undefined {
    return this.outlet.meter
  }

  /** What a log or an inspector shows; the rest is nobody's business. */
  toJSON(): object {
    return { _id: "Connection", id: this.id, path: this.request.path, remoteAddress: this.remoteAddress }
  }
  [NodeInspectSymbol](): object {
    return this.toJSON()
  }

  [Refable.ref](): void {
    const { context, settings } = this.environment
    Refable.set(this.socket, true)
    if (!this.over) settings.keepalive.add(this, context)
  }

  // The timer of the keepalive would keep the process alive, too.
  [Refable.unref](): void {
    Refable.set(this.socket, false)
    this.environment.settings.keepalive.remove(this)
  }

  // -- what the program takes ------------------------------------------------------------------------------------------

  takeNext<A>(take: () => A | undefined, strict: boolean, reader: number): Exit.Exit<A, End> | undefined {
    this.lastReader = reader
    this.untakenTicks = 0
    if (this.spent !== undefined) this.recycle()
    const taken = take()
    if (taken !== undefined) {
      // A client may have taken the last of it and never ask again; what it sends in this turn still goes first.
      if (this.session.owesClose && this.isIdle) this.flushAfterTurn()
      if (this.paused) this.regulate()
      return Exit.succeed(taken)
    }
    if (this.session.owesClose) this.answerClose()
    else if (this.draining !== undefined) {
      this.closeDrained(this.draining)
      this.flushAfterTurn()
    }
    const end = this.end()
    if (end === undefined) return undefined
    return Exit.fail(strict && Cause.isDone(end) ? this.endError : end)
  }

  // How the connection ended, or is being closed after `detach`.
  private get endError(): CloseError.CloseError {
    return this.session.closure?.error ?? new CloseError.NormalClosure()
  }

  park<A>(
    fiber: Fiber.Fiber<unknown, unknown>,
    resume: (demand: Effect.Effect<A, End>) => void,
    demand: Effect.Effect<A, End>
  ): void {
    this.takers.add(fiber, resume, demand)
    if (this.paused) this.regulate()
    if (!this.busy) this.account()
  }

  private answerClose(): void {
    this.session.answerClose()
    this.flushAfterTurn()
  }

  // A stream of what `take` finds, one at a time: see `Demand`.
  private streamOf<A>(take: () => A | undefined): Stream.Stream<A, CloseError.CloseError> {
    const takeBatch = (): readonly [A] | undefined => {
      const taken = take()
      return taken === undefined ? undefined : [taken]
    }
    return Stream.fromPull(Effect.sync(() => Demand.pull(this, takeBatch)))
  }

  get messages(): Stream.Stream<Message.Message, CloseError.CloseError> {
    return this.streamOf(() => this.inbox.takeMessage())
  }

  events(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): Stream.Stream<ConnectionEvent, CloseError.CloseError> {
    this.observe(kinds)
    return this.streamOf(() => this.inbox.takeEvent())
  }

  // Handlers are done with a connection when it closes.
  private observeForHandlers(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): void {
    this.observe(kinds)
    this.handled = true
    this.late = "Drop"
  }

  private observe(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): void {
    this.inbox.keeps = kinds
    if (kinds.includes("Sent")) this.outlet.observe()
  }

  poll(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">, poller: Poller): void {
    this.observeForHandlers(kinds)
    this.poller = poller
    this.polled = true
  }

  pull(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): Effect.Effect<NonEmptyReadonlyArray<ConnectionEvent>, End> {
    this.observeForHandlers(kinds)
    return Demand.pull(this, () => this.inbox.takeEvents())
  }

  take(max: number): ReadonlyArray<ConnectionEvent> {
    this.untakenTicks = 0
    return this.inbox.takeEvents(max) ?? noEvents
  }

  get isEnded(): boolean {
    return this.inbox.isEmpty && this.end() !== undefined
  }

  done(): boolean {
    if (this.spent !== undefined) this.recycle()
    if (this.inbox.isEmpty && this.session.owesClose) this.answerClose()
    if (this.hasNews && !this.isHeldBack) return false
    this.polled = false
    this.settle()
    return true
  }

  get receive(): Effect.Effect<Message.Message, CloseError.CloseError> {
    return Demand.receive(this, () => this.inbox.takeMessage())
  }

  get receiveStream(): Effect.Effect<MessageStream, CloseError.CloseError> {
    return Demand.receive(this, () => {
      if (this.inbox.isEmpty) this.inbox.add(this.session.setDelivery("fragment"))
      const beginning = this.inbox.beginStream()
      if (beginning === undefined) return undefined
      return beginning._tag === "Whole"
        ? wholeStream(beginning.message)
        : this.streamOfPieces(beginning.type, beginning.reading)
    })
  }

  private streamOfPieces(type: "Text" | "Binary", reading: number): MessageStream {
    const pieces = this.streamOf(() => this.inbox.takePiece(reading)).pipe(Stream.takeUntil((piece) => piece.last))
    // What follows the last piece belongs to other messages.
    const chunks = Stream.suspend(() => (this.inbox.isRead(reading) ? Stream.empty : pieces))
    return type === "Text"
      ? { _tag: "Text", chunks: Stream.map(chunks, (piece) => piece.data as string) }
      : { _tag: "Binary", chunks: Stream.map(chunks, (piece) => piece.data as Uint8Array) }
  }

  get frames(): Stream.Stream<Frame.Frame, CloseError.CloseError> {
    return Stream.unwrap(
      Effect.acquireRelease(
        Effect.sync(() => {
          // Handlers would get messages made of frames that no extension has decoded.
          if (this.handled)
            throw new Error("frames: the handlers of the server take what arrives; use the direct style")
          this.session.setDelivery("frame")
          return this.streamOf(() => this.inbox.takeFrame())
        }),
        () => Effect.sync(() => this.session.setDelivery("message"))
      )
    )
  }

  // -- what the program sends ------------------------------------------------------------------------------------------

  send(
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options?: SendOptions
  ): Effect.Effect<void, CloseError.CloseError | Misuse> {
    return new Sending(this, data, options)
  }

  /** Sends a message now, or when the one that is sent in pieces is complete. */
  sendInOrder(
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options: SendOptions | undefined
  ): Effect.Effect<void, CloseError.CloseError | Misuse> {
    return this.messageLock === undefined
      ? this.sendNow(data, options)
      : Semaphore.withPermit(
          this.messageLock,
          Effect.suspend(() => this.sendNow(data, options))
        )
  }

  private sendNow(
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options: SendOptions | undefined
  ): Effect.Effect<void, CloseError.CloseError | Misuse> {
    try {
      const content = contentOf(data)
      return this.sent(
        typeof content === "object" && content !== null && "_tag" in content
          ? this.sendShared(content, options)
          : this.sendOwn(content, options)
      )
    } catch (defect) {
      return this.failWith(defect)
    }
  }

  // A program that hands in what cannot be used is broken. Its fiber dies of it, and so that nobody waits for a message
  // that does not come, the connection ends whoever's fiber it is: with 1011, and with nothing said of the cause.
  private failWith(defect: unknown): Effect.Effect<never> {
    this.failUnsafe(new CloseError.InternalError())
    return Effect.die(defect)
  }

  private attempt<A, E>(call: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      try {
        return call()
      } catch (defect) {
        return this.failWith(defect)
      }
    })
  }

  private sendOwn(payload: string | Uint8Array, options?: SendOptions): SendFailure | undefined {
    const failure = this.session.send(payload, options)
    if (this.environment.logsDebug) this.log("Sent", dataEvent(payload))
    if (failure === undefined) this.outlet.onSend(payload)
    return failure
  }

  private sendShared(prepared: PreparedMessage, options: SendOptions | undefined): SendFailure | undefined {
    const failure = this.session.sendPrepared(prepared, options)
    if (this.environment.logsDebug) this.log("Sent", prepared.message)
    if (failure === undefined) this.outlet.onSend(prepared.message.data)
    return failure
  }

  sendStream<E, R>(
    message: MessageStream<E, R>,
    options?: SendOptions
  ): Effect.Effect<void, E | CloseError.CloseError | Misuse, R> {
    return Effect.suspend(() => {
      if (!isMessageStream(message)) return this.failWith(Argument.mismatch("message", "a message stream", message))
      this.messageLock ??= Semaphore.makeUnsafe(1)
      const { _tag: type } = message
      const chunks: Stream.Stream<string | Uint8Array, E, R> = message.chunks
      const piece = (data: string | Uint8Array, last: boolean): Effect.Effect<void, CloseError.CloseError | Misuse> =>
        this.attempt(() => {
          const checked = type === "Text" ? Argument.text("piece of a text", data) : Argument.bytes("piece", data)
          const failure = this.session.sendFragment(type, checked, last, options)
          if (failure === undefined) this.outlet.onSendPiece(type, checked, last)
          return this.sent(failure)
        })
      return Stream.runForEach(chunks, (chunk) => piece(chunk, false)).pipe(
        Effect.andThen(piece(type === "Text" ? "" : noBytes, true)),
        Effect.andThen(Effect.sync(() => this.outlet.wake())),
        Effect.onError(() => Effect.sync(() => this.breakOff())),
        Semaphore.withPermit(this.messageLock)
      )
    })
  }

  // RFC 6455 has no way to take back half a message, so a stream that fails takes the connection with it.
  private breakOff(): void {
    if (!this.session.isSendingMessage) return
    this.session.close(1011, "a message broke off")
    this.settle()
  }

  sendFrame(
    frame: Frame.Frame,
    options?: { readonly unchecked?: boolean | undefined }
  ): Effect.Effect<void, CloseError.CloseError | Misuse> {
    return this.attempt(() => {
      const failure = this.session.sendFrame(frame, options)
      if (failure === undefined) this.outlet.onSendFrame(frame)
      if (!this.session.isSendingMessage) this.outlet.wake()
      return this.sent(failure)
    })
  }

  post(data: string | Uint8Array): SendFailure | undefined {
    const failure = this.sendOwn(data)
    this.afterSend(failure)
    return failure
  }

  /** Sends messages one behind the other, nothing in between, without waiting; gives whether `drained` is to be waited for. */
  queueAll(chunks: ReadonlyArray<string | Uint8Array>): Effect.Effect<boolean, CloseError.CloseError | Misuse> {
    const queue = this.attempt(() => {
      let failure: SendFailure | undefined
      for (const chunk of chunks) {
        failure = this.sendOwn(chunk)
        if (failure !== undefined) break
      }
      const mustWait = this.afterSend(failure)
      return failure === undefined ? Effect.succeed(mustWait) : Effect.fail(failure)
    })
    return Effect.suspend(() =>
      this.messageLock === undefined ? queue : Semaphore.withPermit(this.messageLock, queue)
    )
  }

  private sent(failure: SendFailure | undefined): Effect.Effect<void, CloseError.CloseError | Misuse> {
    const mustWait = this.afterSend(failure)
    if (failure !== undefined) return Effect.fail(failure)
    return mustWait ? this.drained : Effect.void
  }

  // Brings on its way what was sent, or what came of a failure; gives whether the sender should wait for the peer.
  private afterSend(failure: SendFailure | undefined): boolean {
    if (failure === undefined) this.encodePending()
    this.flushAfterTurn()
    if (failure !== undefined || !this.outlet.isAboveLimit) return false
    if (this.poller === undefined) return true
    const { context, settings } = this.environment
    if (this.outlet.waitingBytes > settings.outboundLimit) {
      this.fail(new CloseError.TryAgainLater({ reason: "the peer does not read what it is sent" }))
    } else if (settings.writeTimeout !== undefined && !this.outlet.isAwaited) {
      // Nobody waits for the peer, but its time runs all the same.
      Effect.runForkWith(context)(Effect.ignore(this.drained))
    }
    return false
  }

  /** Waits until fewer than `outboundBuffer` bytes wait for the peer. */
  get drained(): Effect.Effect<void, CloseError.CloseError> {
    const waiting = Effect.callback<void, CloseError.CloseError>((resume) => {
      if (this.detached) return resume(Effect.fail(this.endError))
      return Effect.sync(
        this.outlet.wait(() =>
          resume(this.session.canSend || !(this.over || this.detached) ? Effect.void : Effect.fail(this.endError))
        )
      )
    })
    const { writeTimeout } = this.environment.settings
    return writeTimeout === undefined ? waiting : this.whileOutputMoves(waiting, writeTimeout)
  }

  // Gives up when output that is blocked has not moved for so long.
  private whileOutputMoves(
    waiting: Effect.Effect<void, CloseError.CloseError>,
    duration: Duration.Duration
  ): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      const progress = new OutputProgress()
      const look = Effect.sync(() => progress.look(this.outlet, 0))
      const attempt: Effect.Effect<void, CloseError.CloseError> = Effect.timeoutOrElse(
        // Not what leaves in this turn: that may be all that the system takes.
        Effect.raceFirst(waiting, Effect.andThen(Effect.yieldNow, Effect.andThen(look, Effect.never))),
        {
          duration,
          orElse: () =>
            Effect.flatMap(look, (moved) => {
              if (moved) return attempt
              this.giveUp("the peer did not read in time")
              return Effect.fail(this.session.closure!.error)
            })
        }
      )
      return attempt
    })
  }

  abort(why = "aborted"): Effect.Effect<void> {
    return Effect.sync(() => this.giveUp(why))
  }

  get flushed(): Effect.Effect<void, CloseError.CloseError> {
    return this.untilFlushed()
  }

  private untilFlushed(): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      this.outlet.write()
      return this.outlet.isFlushed ? Effect.void : Effect.flatMap(this.drained, () => this.untilFlushed())
    })
  }

  ping(payload?: Uint8Array): Effect.Effect<Duration.Duration, CloseError.CloseError | Misuse> {
    return this.attempt(() => {
      if (payload !== undefined) Argument.bytes("ping", payload)
      return Effect.callback((resume) => {
        const id = this.session.ping(payload)
        if (typeof id !== "number") return resume(Effect.fail(id))
        this.pings ??= new Pings()
        this.pings.add(id, {
          sentAt: this.now(),
          succeed: (roundTrip) => resume(Effect.succeed(roundTrip)),
          fail: (error) => resume(Effect.fail(error))
        })
        this.flushAfterTurn()
        return Effect.sync(() => this.pings?.delete(id))
      })
    })
  }

  pong(payload: Uint8Array = noBytes): Effect.Effect<void, CloseError.CloseError | Misuse> {
    return this.attempt(() => this.sent(this.session.pong(payload)))
  }

  // -- for those who send to many, see `Fanout` ------------------------------------------------------------------------

  get canSend(): boolean {
    return this.session.canSend
  }

  get isOver(): boolean {
    return this.over
  }

  get isReady(): boolean {
    return !this.session.isSendingMessage && !(this.outlet.isAboveLimit && this.isBehind)
  }

  // Over TLS what was written in a turn is pending until its end, also where the system takes it at once. Only what the
  // system has refused waits for the peer; what gathers until that is known has a bound.
  private get isBehind(): boolean {
    const { outlet, session } = this
    return (
      session.queuedBytes > 0 ||
      outlet.refusedBytes > 0 ||
      outlet.waitingBytes > this.environment.settings.outboundLimit
    )
  }

  pendingPrepare(message: PreparedMessage, options?: SendOptions): Pending | undefined {
    return this.session.pendingPrepare(message, options)
  }

  sendUnsafe(message: PreparedMessage, options?: SendOptions): SendFailure | undefined {
    const failure = this.sendShared(message, options)
    this.encodePending()
    return failure
  }

  flushUnsafe(): void {
    this.settle()
  }

  onceReady(resume: () => void): () => void {
    return this.outlet.wait(resume)
  }

  onceOver(over: () => void): () => void {
    this.closeWaiters ??= []
    this.closeWaiters.push(over)
    return () => remove(this.closeWaiters, over)
  }

  failUnsafe(error: CloseError.SendableCloseError): void {
    this.fail(error)
  }

  // -- how the program ends it ---------------------------------------------------------------------------------------

  get closed(): Effect.Effect<Closure> {
    return Effect.callback((resume) => {
      if (this.over) return resume(Effect.succeed(this.session.closure!))
      const waiter = (closure: Closure): void => resume(Effect.succeed(closure))
      this.closeWaiters ??= []
      this.closeWaiters.push(waiter)
      return Effect.sync(() => remove(this.closeWaiters, waiter))
    })
  }

  get closure(): Closure | undefined {
    return this.over ? this.session.closure : undefined
  }

  close(code?: number, reason?: string): Effect.Effect<Closure, Misuse> {
    return this.attempt(() => {
      const failure = this.session.close(code, reason)
      if (failure !== undefined && failure._tag === "Misuse") return Effect.fail(failure)
      if (this.late === "Drop") this.inbox.clear()
      // A fiber that waits for the end does not read meanwhile.
      else if (this.lastReader === 0 || this.lastReader === Fiber.getCurrent()?.id) this.late = "Fill"
      this.draining = undefined
      this.settle()
      return this.closed
    })
  }

  /** Begins to close, and ends at once whatever waits to take or to send. What was sent still goes to the peer first. */
  detach(code: number): void {
    this.session.close(code)
    this.detached = true
    this.late = "Drop"
    this.inbox.clear()
    this.draining = undefined
    this.settle()
    this.outlet.wakeAll()
    this.wakeTakers()
  }

  /** Tells that the program has ended: but for a fiber that still waits for messages, nobody will read. */
  programEnded(): void {
    if (!this.takers.isWaiting) this.late = "Drop"
  }

  drain(code = 1000, reason = ""): Effect.Effect<Closure, Misuse> {
    return this.attempt(() => {
      const misuse = checkClose(code, reason)
      if (misuse !== undefined) return Effect.fail(misuse)
      if (this.session.canReceive && !this.session.isClosing) {
        this.draining = { code, reason }
        this.settle()
      }
      return this.closed
    })
  }
}

const wholeStream = (message: Message.Message): MessageStream =>
  message._tag === "Text"
    ? { _tag: "Text", chunks: Stream.succeed(message.data) }
    : { _tag: "Binary", chunks: Stream.succeed(message.data) }

const isMessageStream = (u: { readonly _tag: unknown; readonly chunks: unknown } | undefined | null): boolean =>
  u !== undefined && u !== null && (u._tag === "Text" || u._tag === "Binary") && Stream.isStream(u.chunks)

const noBytes = new Uint8Array(0)
const noEvents: ReadonlyArray<ConnectionEvent> = []

const remove = <A>(list: Array<A> | undefined, item: A): void => {
  const at = list?.indexOf(item) ?? -1
  if (at >= 0) list!.splice(at, 1)
}
