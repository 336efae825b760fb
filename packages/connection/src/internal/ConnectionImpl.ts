/**
 * A connection as a program sees it: what it takes, what it sends, and how it closes, on top of `ConnectionCore`.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type * as Frame from "@effect-ws/protocol/Frame"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type * as Message from "@effect-ws/protocol/Message"
import type { SendError } from "@effect-ws/protocol/SendError"
import { contentOf } from "@effect-ws/protocol/PreparedMessage"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import { checkClose } from "@effect-ws/protocol/Session"
import type { CloseInfo, SendFailure, SendOptions } from "@effect-ws/protocol/Session"
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
import * as PullOrWait from "./PullOrWait.ts"
import { dataEvent } from "./describe.ts"
import { ConnectionCore } from "./ConnectionCore.ts"
import type { End } from "./ConnectionCore.ts"
import type { Peer } from "../Peer.ts"
import { unknown } from "../Peer.ts"
import type { Poller } from "../Polling.ts"
import type { ConnectionMetrics } from "./ConnectionMetrics.ts"
import { OutputProgress } from "./OutputProgress.ts"
import { PendingPings } from "./PendingPings.ts"
import { Primitive } from "./Primitive.ts"

class Sending extends Primitive<void, CloseError.CloseError | SendError> {
  private readonly connection: ConnectionImpl
  private readonly data: string | Uint8Array | Message.Message | PreparedMessage
  private readonly options: SendOptions | undefined

  constructor(
    connection: ConnectionImpl,
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options: SendOptions | undefined
  ) {
    super()
    this.connection = connection
    this.data = data
    this.options = options
  }

  perform(): Effect.Effect<void, CloseError.CloseError | SendError> {
    return this.connection.sendInOrder(this.data, this.options)
  }
}

export class ConnectionImpl extends ConnectionCore implements Connection, Recipient, PullOrWait.Source {
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
  get response(): ResponseHead | Http2ResponseHead | undefined {
    return Context.isContext(this.attached) ? undefined : this.attached
  }
  get buffered(): { readonly inbound: number; readonly outbound: number } {
    return { inbound: this.inboundBytes, outbound: this.outboundBytes }
  }
  get latency(): Duration.Duration | undefined {
    return this.pings?.latency
  }
  get meter(): ConnectionMetrics | undefined {
    return this.writeQueue.meter
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
    if (!this.finished) settings.keepalive.add(this, context)
  }

  // The timer of the keepalive would keep the process alive, too.
  [Refable.unref](): void {
    Refable.set(this.socket, false)
    this.environment.settings.keepalive.remove(this)
  }

  // -- what the program takes ------------------------------------------------------------------------------------------

  takeNext<A>(take: () => A | undefined, strict: boolean, reader: number): Exit.Exit<A, End> | undefined {
    this.lastReader = reader
    this.unreadTicks = 0
    if (this.spentChunks !== undefined) this.releaseSpentChunks()
    const taken = take()
    if (taken !== undefined) {
      // A client may have taken the last of it and never ask again; what it sends in this turn still goes first.
      if (this.session.mustAnswerClose && this.isIdle) this.flushAfterTurn()
      if (this.paused) this.updateReadFlow()
      return Exit.succeed(taken)
    }
    if (this.session.mustAnswerClose) this.answerClose()
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
    return this.session.closeInfo?.error ?? new CloseError.NormalClosure()
  }

  park<A>(
    fiber: Fiber.Fiber<unknown, unknown>,
    resume: (demand: Effect.Effect<A, End>) => void,
    demand: Effect.Effect<A, End>
  ): void {
    this.waiters.add(fiber, resume, demand)
    if (this.paused) this.updateReadFlow()
    if (!this.busy) this.updateBudget()
  }

  private answerClose(): void {
    this.session.answerClose()
    this.flushAfterTurn()
  }

  // A stream of what `take` finds, one at a time: see `PullOrWait`.
  private streamOf<A>(take: () => A | undefined): Stream.Stream<A, CloseError.CloseError> {
    const takeBatch = (): readonly [A] | undefined => {
      const taken = take()
      return taken === undefined ? undefined : [taken]
    }
    return Stream.fromPull(Effect.sync(() => PullOrWait.pull(this, takeBatch)))
  }

  get messages(): Stream.Stream<Message.Message, CloseError.CloseError> {
    return this.streamOf(() => this.receiveQueue.takeMessage())
  }

  events(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): Stream.Stream<ConnectionEvent, CloseError.CloseError> {
    this.observe(kinds)
    return this.streamOf(() => this.receiveQueue.takeEvent())
  }

  // Handlers are done with a connection when it closes.
  private observeForHandlers(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): void {
    this.observe(kinds)
    this.handled = true
    this.late = "Drop"
  }

  private observe(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): void {
    this.receiveQueue.keeps = kinds
    if (kinds.includes("Sent")) this.writeQueue.observe()
  }

  poll(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">, poller: Poller): void {
    this.observeForHandlers(kinds)
    this.poller = poller
    this.polled = true
  }

  pull(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): Effect.Effect<NonEmptyReadonlyArray<ConnectionEvent>, End> {
    this.observeForHandlers(kinds)
    return PullOrWait.pull(this, () => this.receiveQueue.takeEvents())
  }

  take(max: number): ReadonlyArray<ConnectionEvent> {
    this.unreadTicks = 0
    const events = this.receiveQueue.takeEvents(max) ?? noEvents
    if (this.paused) this.updateReadFlow()
    return events
  }

  get isEnded(): boolean {
    return this.receiveQueue.isEmpty && this.end() !== undefined
  }

  done(): boolean {
    if (this.spentChunks !== undefined) this.releaseSpentChunks()
    if (this.receiveQueue.isEmpty && this.session.mustAnswerClose) this.answerClose()
    if (this.hasDataOrEnd && !this.isHeldBack) return false
    this.polled = false
    // Within a callback of ours the rest of `advance` is still to come.
    if (!this.busy) this.advance()
    return true
  }

  get receive(): Effect.Effect<Message.Message, CloseError.CloseError> {
    return PullOrWait.receive(this, () => this.receiveQueue.takeMessage())
  }

  get receiveStream(): Effect.Effect<MessageStream, CloseError.CloseError> {
    return PullOrWait.receive(this, () => {
      if (this.receiveQueue.isEmpty) this.receiveQueue.add(this.session.setReadMode("fragment"))
      const beginning = this.receiveQueue.beginStream()
      if (beginning === undefined) return undefined
      return beginning._tag === "Whole"
        ? wholeStream(beginning.message)
        : this.streamOfPieces(beginning.type, beginning.reading)
    })
  }

  private streamOfPieces(type: "Text" | "Binary", reading: number): MessageStream {
    const pieces = this.streamOf(() => this.receiveQueue.takePiece(reading)).pipe(
      Stream.takeUntil((piece) => piece.last)
    )
    // What follows the last piece belongs to other messages.
    const chunks = Stream.suspend(() => (this.receiveQueue.isRead(reading) ? Stream.empty : pieces))
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
          this.session.setReadMode("frame")
          return this.streamOf(() => this.receiveQueue.takeFrame())
        }),
        () => Effect.sync(() => this.session.setReadMode("message"))
      )
    )
  }

  // -- what the program sends ------------------------------------------------------------------------------------------

  send(
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options?: SendOptions
  ): Effect.Effect<void, CloseError.CloseError | SendError> {
    return new Sending(this, data, options)
  }

  /** Sends a message now, or when the one that is sent in pieces is complete. */
  sendInOrder(
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options: SendOptions | undefined
  ): Effect.Effect<void, CloseError.CloseError | SendError> {
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
  ): Effect.Effect<void, CloseError.CloseError | SendError> {
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
    if (failure === undefined) this.writeQueue.onSend(payload)
    return failure
  }

  private sendShared(prepared: PreparedMessage, options: SendOptions | undefined): SendFailure | undefined {
    const failure = this.session.sendPrepared(prepared, options)
    if (this.environment.logsDebug) this.log("Sent", prepared.message)
    if (failure === undefined) this.writeQueue.onSend(prepared.message.data)
    return failure
  }

  sendStream<E, R>(
    message: MessageStream<E, R>,
    options?: SendOptions
  ): Effect.Effect<void, E | CloseError.CloseError | SendError, R> {
    return Effect.suspend(() => {
      if (!isMessageStream(message)) return this.failWith(Argument.mismatch("message", "a message stream", message))
      this.messageLock ??= Semaphore.makeUnsafe(1)
      const { _tag: type } = message
      const chunks: Stream.Stream<string | Uint8Array, E, R> = message.chunks
      const piece = (
        data: string | Uint8Array,
        last: boolean
      ): Effect.Effect<void, CloseError.CloseError | SendError> =>
        this.attempt(() => {
          const checked = type === "Text" ? Argument.text("piece of a text", data) : Argument.bytes("piece", data)
          const failure = this.session.sendFragment(type, checked, last, options)
          if (failure === undefined) this.writeQueue.onSendPiece(type, checked, last)
          return this.sent(failure)
        })
      return Stream.runForEach(chunks, (chunk) => piece(chunk, false)).pipe(
        Effect.andThen(piece(type === "Text" ? "" : noBytes, true)),
        Effect.andThen(Effect.sync(() => this.writeQueue.wake())),
        Effect.onError(() => Effect.sync(() => this.failPartialMessage())),
        Semaphore.withPermit(this.messageLock)
      )
    })
  }

  // RFC 6455 has no way to take back half a message, so a stream that fails takes the connection with it.
  private failPartialMessage(): void {
    if (!this.session.isSendingMessage) return
    this.session.close(1011, "a message broke off")
    this.advance()
  }

  sendFrame(
    frame: Frame.Frame,
    options?: { readonly unchecked?: boolean | undefined }
  ): Effect.Effect<void, CloseError.CloseError | SendError> {
    return this.attempt(() => {
      const failure = this.session.sendFrame(frame, options)
      if (failure === undefined) this.writeQueue.onSendFrame(frame)
      if (!this.session.isSendingMessage) this.writeQueue.wake()
      return this.sent(failure)
    })
  }

  sendSync(data: string | Uint8Array): SendFailure | undefined {
    const failure = this.sendOwn(data)
    this.afterSend(failure)
    return failure
  }

  /** Sends messages one behind the other, nothing in between, without waiting; gives whether `drained` is to be waited for. */
  queueAll(chunks: ReadonlyArray<string | Uint8Array>): Effect.Effect<boolean, CloseError.CloseError | SendError> {
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

  private sent(failure: SendFailure | undefined): Effect.Effect<void, CloseError.CloseError | SendError> {
    const mustWait = this.afterSend(failure)
    if (failure !== undefined) return Effect.fail(failure)
    return mustWait ? this.drained : Effect.void
  }

  // Brings on its way what was sent, or what came of a failure; gives whether the sender should wait for the peer.
  private afterSend(failure: SendFailure | undefined): boolean {
    if (failure === undefined) this.encodePending()
    this.flushAfterTurn()
    if (failure !== undefined || !this.writeQueue.isAboveLimit) return false
    if (this.poller === undefined || this.poller.sendWaits === true) return true
    const { context, settings } = this.environment
    if (this.writeQueue.waitingBytes > settings.maxBufferedBytes) {
      this.fail(new CloseError.TryAgainLater({ reason: "the peer does not read what it is sent" }))
    } else if (settings.writeTimeout !== undefined && !this.writeQueue.isAwaited) {
      // Nobody waits for the peer, but its time runs all the same.
      Effect.runForkWith(context)(Effect.ignore(this.drained))
    }
    return false
  }

  /** Waits until fewer than `writeHighWaterMark` bytes wait for the peer. */
  get drained(): Effect.Effect<void, CloseError.CloseError> {
    const waiting = Effect.callback<void, CloseError.CloseError>((resume) => {
      if (this.detached) return resume(Effect.fail(this.endError))
      return Effect.sync(
        this.writeQueue.wait(() =>
          resume(this.session.canSend || !(this.finished || this.detached) ? Effect.void : Effect.fail(this.endError))
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
      const look = Effect.sync(() => progress.look(this.writeQueue, 0))
      const attempt: Effect.Effect<void, CloseError.CloseError> = Effect.timeoutOrElse(
        // Not what leaves in this turn: that may be all that the system takes.
        Effect.raceFirst(waiting, Effect.andThen(Effect.yieldNow, Effect.andThen(look, Effect.never))),
        {
          duration,
          orElse: () =>
            Effect.flatMap(look, (moved) => {
              if (moved) return attempt
              this.abortWith("the peer did not read in time")
              return Effect.fail(this.session.closeInfo!.error)
            })
        }
      )
      return attempt
    })
  }

  abort(why = "aborted"): Effect.Effect<void> {
    return Effect.sync(() => this.abortWith(why))
  }

  get flushed(): Effect.Effect<void, CloseError.CloseError> {
    return this.untilFlushed()
  }

  private untilFlushed(): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      this.writeQueue.write()
      return this.writeQueue.isFlushed ? Effect.void : Effect.flatMap(this.drained, () => this.untilFlushed())
    })
  }

  ping(payload?: Uint8Array): Effect.Effect<Duration.Duration, CloseError.CloseError | SendError> {
    return this.attempt(() => {
      if (payload !== undefined) Argument.bytes("ping", payload)
      return Effect.callback((resume) => {
        const id = this.session.ping(payload)
        if (typeof id !== "number") return resume(Effect.fail(id))
        this.pings ??= new PendingPings()
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

  pong(payload: Uint8Array = noBytes): Effect.Effect<void, CloseError.CloseError | SendError> {
    return this.attempt(() => this.sent(this.session.pong(payload)))
  }

  // -- for those who send to many, see `Fanout` ------------------------------------------------------------------------

  get canSend(): boolean {
    return this.session.canSend
  }

  get isClosed(): boolean {
    return this.finished
  }

  get isWritable(): boolean {
    return !this.session.isSendingMessage && !(this.writeQueue.isAboveLimit && this.isBehind)
  }

  // Over TLS what was written in a turn is pending until its end, also where the system takes it at once. Only what the
  // system has refused waits for the peer; what gathers until that is known has a bound.
  private get isBehind(): boolean {
    const { writeQueue, session } = this
    return (
      session.queuedBytes > 0 ||
      writeQueue.refusedBytes > 0 ||
      writeQueue.waitingBytes > this.environment.settings.maxBufferedBytes
    )
  }

  pendingPrepare(message: PreparedMessage, options?: SendOptions): AsyncTransform | undefined {
    return this.session.pendingPrepare(message, options)
  }

  sendUnsafe(message: PreparedMessage, options?: SendOptions): SendFailure | undefined {
    const failure = this.sendShared(message, options)
    this.encodePending()
    return failure
  }

  flushUnsafe(): void {
    this.advance()
  }

  onWritable(resume: () => void): () => void {
    return this.writeQueue.wait(resume)
  }

  onClosed(over: () => void): () => void {
    this.closeWaiters ??= []
    this.closeWaiters.push(over)
    return () => remove(this.closeWaiters, over)
  }

  failUnsafe(error: CloseError.SendableCloseError): void {
    this.fail(error)
  }

  // -- how the program ends it ---------------------------------------------------------------------------------------

  get closed(): Effect.Effect<CloseInfo> {
    return Effect.callback((resume) => {
      if (this.finished) return resume(Effect.succeed(this.session.closeInfo!))
      const waiter = (closeInfo: CloseInfo): void => resume(Effect.succeed(closeInfo))
      this.closeWaiters ??= []
      this.closeWaiters.push(waiter)
      return Effect.sync(() => remove(this.closeWaiters, waiter))
    })
  }

  get closeInfo(): CloseInfo | undefined {
    return this.finished ? this.session.closeInfo : undefined
  }

  close(code?: number, reason?: string): Effect.Effect<CloseInfo, SendError> {
    return this.attempt(() => {
      const failure = this.session.close(code, reason)
      if (failure !== undefined && failure._tag === "SendError") return Effect.fail(failure)
      if (this.late === "Drop") this.receiveQueue.clear()
      // A fiber that waits for the end does not read meanwhile.
      else if (this.lastReader === 0 || this.lastReader === Fiber.getCurrent()?.id) this.late = "Fill"
      this.draining = undefined
      this.advance()
      return this.closed
    })
  }

  /** Begins to close, and ends at once whatever waits to take or to send. What was sent still goes to the peer first. */
  detach(code: number): void {
    this.session.close(code)
    this.detached = true
    this.late = "Drop"
    this.receiveQueue.clear()
    this.draining = undefined
    this.advance()
    this.writeQueue.wakeAll()
    this.wakeWaiters()
  }

  /** Tells that the program has ended: but for a fiber that still waits for messages, nobody will read. */
  programEnded(): void {
    if (!this.waiters.isWaiting) this.late = "Drop"
  }

  drain(code = 1000, reason = ""): Effect.Effect<CloseInfo, SendError> {
    return this.attempt(() => {
      const misuse = checkClose(code, reason)
      if (misuse !== undefined) return Effect.fail(misuse)
      if (this.session.canReceive && !this.session.isClosing) {
        this.draining = { code, reason }
        this.advance()
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
