/**
 * The line between a socket that pushes and a program: it binds a session (which decides) to a transport (which moves
 * bytes), keeps what arrived until somebody takes it, and brings the connection to its end.
 *
 * The data path is synchronous. A chunk is decoded into one batch of events; a program that waits for messages runs
 * inside this very callback, its sends gather in the session's output, and one write carries them all. Sends that come
 * from elsewhere are written at the end of their turn.
 *
 * A class with prototype methods and few fields: a server holds one of these for each idle connection. What a program
 * sees of it is `ConnectionImpl`.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import type { ExtensionOffer } from "@effect-ws/protocol/ExtensionHeader"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type { CloseInfo, Session } from "@effect-ws/protocol/Session"
import { free, isPushSocket } from "@effect-ws/transport/Push"
import type { ByteSink, PushReader, PushWriter } from "@effect-ws/transport/Push"
import { describe } from "@effect-ws/transport/SocketFailure"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import type { Socket, SocketError } from "effect/socket/Socket"
import type { Budget, Holder, Holding } from "../Budget.ts"
import type { Peer } from "../Peer.ts"
import type { Poller } from "../Polling.ts"
import type { Settings } from "../ConnectionOptions.ts"
import { CloseTimer } from "./CloseTimer.ts"
import { renderEvent } from "./describe.ts"
import { scheduleFlush } from "./FlushScheduler.ts"
import { PeerWatch } from "./Keepalive.ts"
import type { KeepaliveTicks, Watched } from "./Keepalive.ts"
import { ReceiveQueue } from "./ReceiveQueue.ts"
import type { ConnectionMetrics } from "./ConnectionMetrics.ts"
import type { StallTarget } from "./StallTimer.ts"
import { WriteQueue } from "./WriteQueue.ts"
import { noteExternalBytes } from "./gcPacing.ts"
import { PendingPings } from "./PendingPings.ts"
import { Waiters } from "./Waiters.ts"
import type { BufferedBytes } from "./AggregateMetrics.ts"

/** What the connections of one server, or of one call, have in common. */
export interface Environment {
  readonly settings: Settings
  readonly context: Context.Context<never>
  /** Whether anybody reads debug messages. */
  readonly logsDebug: boolean
  readonly budget: Budget
}

/** What a connection is made of. */
export interface Parts {
  readonly environment: Environment
  readonly session: Session
  readonly socket: Socket
  readonly reader: PushReader
  readonly writer: PushWriter
  readonly request: UpgradeRequest
  readonly subprotocol: string | undefined
  readonly extensions: ReadonlyArray<ExtensionOffer>
  /** What the handshake left for the program: at a server what its decision attached, at a client the response. */
  readonly attached?: Context.Context<never> | ResponseHead | Http2ResponseHead | undefined
  /** The client that a trusted proxy speaks for. */
  readonly forwarded?: Peer | undefined
}

/** What the end of a connection is to whoever waits for data. */
export type End = CloseError.CloseError | Cause.Done

/**
 * What becomes of messages that come after our close frame and before the peer's.
 *
 * - `Deliver`: they are for a reader. While they do not fit into the inbox, the peer is not read.
 * - `Await`: the same, and a reader that takes nothing for `closeReplyTimeout` is not waited for any longer.
 * - `Fill`: nobody reads now. What does not fit is dropped, with everything behind it.
 * - `Drop`: they are dropped, and the end shows at once.
 */
type Late = "Deliver" | "Await" | "Fill" | "Drop"

let lastId = 0

export abstract class ConnectionCore implements ByteSink, Watched, BufferedBytes, Holder, StallTarget {
  readonly id: number = ++lastId
  idleTicks = 0
  readonly request: UpgradeRequest
  readonly subprotocol: string | undefined
  readonly extensions: ReadonlyArray<ExtensionOffer>
  protected readonly environment: Environment
  protected readonly session: Session
  protected readonly socket: Socket
  protected readonly reader: PushReader
  protected readonly writer: PushWriter
  protected readonly attached: Context.Context<never> | ResponseHead | Http2ResponseHead | undefined
  protected readonly forwarded: Peer | undefined
  protected readonly receiveQueue = new ReceiveQueue()
  // Who is to be called when there is something to take, and whether it was and has not come back yet.
  protected poller: Poller | undefined = undefined
  protected polled = false
  protected readonly waiters = new Waiters()
  protected readonly writeQueue: WriteQueue

  // Whether a callback of ours is on the stack that flushes when it is done.
  protected busy = false
  protected flushing = false
  protected paused = false
  // The fiber that took last, by its id; 0 where none has.
  protected lastReader = 0
  protected late: Late = "Deliver"
  protected streamEnded = false
  // Whether nothing more is to be written, be it that the transport is gone or that this end gave up.
  protected transportClosed = false
  // Whether the end does not wait for the peer to take what was written.
  protected isHurried = false
  protected finished = false
  // Whether the program let go of the connection and waits for nothing of it any more, see `detach`.
  protected detached = false
  // What the budget was last told that is held here, once that was something.
  private holding: Holding | undefined = undefined

  protected spentChunks: Array<Uint8Array> | undefined = undefined
  protected closeWaiters: Array<(closeInfo: CloseInfo) => void> | undefined = undefined
  protected timer: Fiber.Fiber<void> | undefined = undefined
  protected closeTimer: CloseTimer | undefined = undefined
  protected draining: { readonly code: number; readonly reason: string } | undefined = undefined
  protected pings: PendingPings | undefined = undefined
  // Begins to be when there is something to watch: an idle connection has none until its first ping.
  protected watch: PeerWatch | undefined = undefined
  // Ticks since the program took something, while something waits for it.
  protected unreadTicks = 0

  abstract get remoteAddress(): NetAddress.SocketAddress | undefined

  constructor(parts: Parts, meter?: ConnectionMetrics) {
    this.request = parts.request
    this.subprotocol = parts.subprotocol
    this.extensions = parts.extensions
    this.environment = parts.environment
    this.session = parts.session
    this.socket = parts.socket
    this.reader = parts.reader
    this.writer = parts.writer
    this.attached = parts.attached
    this.forwarded = parts.forwarded
    this.writeQueue = new WriteQueue(parts.session, parts.writer, parts.environment.settings.writeHighWaterMark, meter)
  }

  /** Starts reading; `early` is what came behind the handshake. */
  start(early: ReadonlyArray<Uint8Array>): void {
    this.writeQueue.meter?.opened(this)
    this.environment.settings.keepalive.add(this, this.environment.context)
    for (const chunk of early) if (chunk.length > 0) this.onChunk(chunk)
    // A reader flows as soon as it has a subscriber, although `early` may have paused it.
    this.paused = false
    this.reader.subscribe(this)
    this.updateReadFlow()
  }

  /** Lets go of everything. The owner of the Scope does not care any more; the peer sees the stream end. */
  release(): void {
    this.receiveQueue.clear()
    if (this.finished) return this.updateBudget()
    this.session.abort("this end let go of the connection")
    this.transportClosed = true
    this.advance()
  }

  // -- what the transport tells ----------------------------------------------------------------------------------------

  onChunk(bytes: Uint8Array): void {
    this.idleTicks = 0
    this.busy = true
    const isLate = this.session.isClosing
    // Programs see views of the chunk, and `slice` of a Node Buffer does not copy as that of any other bytes does.
    const chunk = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.writeQueue.meter?.arrived(chunk)
    const events = this.session.receive(chunk)
    if (chunk.length >= WORTH_FREEING) this.releaseChunk(chunk, events)
    this.accept(events, isLate, chunk.length)
    this.advance()
    if (this.session.isReceivingMessage) this.environment.settings.stalls?.watch(this, this.environment.context)
  }

  onDrain(): void {
    this.writeQueue.onDrain()
    this.reportSent()
    this.advance()
  }

  onEnd(): void {
    this.session.receiveEnd()
    this.streamEnded = true
    this.advance()
  }

  onClose(error: SocketError | undefined): void {
    this.transportClosed = true
    this.session.abort(error === undefined || error.reason._tag === "SocketCloseError" ? undefined : describe(error))
    this.advance()
  }

  protected accept(events: Array<SessionEvent.SessionEvent>, isLate: boolean, bytes: number): void {
    const { meter } = this.writeQueue
    if (meter !== undefined) meter.received(bytes, events)
    if (this.environment.logsDebug) for (const event of events) this.log("Received", event)
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      if (event._tag === "Pong" && event.ping !== undefined) this.onPong(event.ping)
    }
    if (!isLate || this.takesLate()) this.receiveQueue.add(events)
    const pending = this.session.pendingDecode
    if (pending !== undefined) {
      pending.start((failure) => {
        this.busy = true
        const isLate = this.session.isClosing
        this.accept(this.session.resumeReceive(failure), isLate, 0)
        this.advance()
      })
    }
  }

  private takesLate(): boolean {
    if (this.late === "Fill" && this.isFull) this.late = "Drop"
    return this.late !== "Drop"
  }

  private get isFull(): boolean {
    return this.receiveQueue.bytes + this.session.bufferedBytes > this.environment.settings.receiveBufferSize
  }

  // The peer's close frame is behind what a reader does not take, so a reader that is gone must not hold it back.
  private awaitReader(): void {
    const { bytes } = this.receiveQueue
    this.late = "Await"
    Effect.runForkWith(this.environment.context)(
      Effect.andThen(
        Effect.sleep(this.environment.settings.closeReplyTimeout),
        Effect.sync(() => {
          if (this.finished || this.late !== "Await") return
          this.late = this.receiveQueue.bytes < bytes ? "Deliver" : "Fill"
          this.advance()
        })
      )
    )
  }

  protected onPong(ping: number): void {
    this.watch?.onPong(ping)
    const roundTrip = this.pings?.onPong(ping, this.now())
    if (roundTrip !== undefined) this.writeQueue.meter?.answered(roundTrip)
  }

  // A chunk of which the program sees nothing is free at once; one that it sees in part is when it has dealt with that, or
  // when the collector finds so.
  protected releaseChunk(chunk: Uint8Array, events: ReadonlyArray<SessionEvent.SessionEvent>): void {
    if (this.session.retainsInput) return noteExternalBytes(chunk.length)
    if (events.every((event) => event._tag === "Text")) return this.freeChunk(chunk)
    if (!this.environment.settings.reuseReceiveBuffers) return noteExternalBytes(chunk.length)
    this.spentChunks ??= []
    this.spentChunks.push(chunk)
  }

  private freeChunk(chunk: Uint8Array): void {
    const { length } = chunk
    if (!free(this.reader, chunk)) noteExternalBytes(length)
  }

  protected releaseSpentChunks(): void {
    const spent = this.spentChunks
    if (spent === undefined || !this.receiveQueue.isEmpty) return
    this.spentChunks = undefined
    // Large payloads are sent by reference, so what is still to be written may lie in them.
    this.writeQueue.write()
    const isWritten = this.writeQueue.waitingBytes === 0
    for (const chunk of spent) {
      if (isWritten) this.freeChunk(chunk)
      else noteExternalBytes(chunk.length)
    }
  }

  onTick(bounds: KeepaliveTicks): void {
    this.idleTicks++
    if (this.paused) this.watchProgram(bounds)
    else this.unreadTicks = 0
    if (bounds.interval === Infinity) return
    if (this.watch === undefined) {
      if (this.idleTicks < bounds.interval && !this.paused && this.writeQueue.refusedBytes === 0) return
      this.watch = new PeerWatch()
    }
    const verdict = this.watch.tick(this.idleTicks, !this.paused, this.writeQueue, bounds)
    if (verdict === "ask") this.ask(this.watch)
    else if (verdict === "silent") this.fail(new CloseError.InternalError({ reason: "keepalive timeout" }))
    else if (verdict === "stalled") this.drop(new CloseError.InternalError({ reason: "keepalive timeout" }))
  }

  private ask(watch: PeerWatch): void {
    const id = this.session.ping()
    if (typeof id !== "number") return
    watch.asked(id, this.writeQueue)
    this.pings ??= new PendingPings()
    this.pings.ask(id, this.now())
    this.flushAfterTurn()
  }

  // A program that does not read keeps us from reading, and what the peer does then goes unnoticed: the end included.
  private watchProgram({ stall }: KeepaliveTicks): void {
    if (this.receiveQueue.isEmpty || this.writeQueue.isBlocked) {
      this.unreadTicks = 0
      return
    }
    if (++this.unreadTicks < stall) return
    Effect.runForkWith(this.environment.context)(
      Effect.annotateLogs(Effect.logWarning("The handler takes no messages (handlerStallTimeout): closing"), {
        connection: this.id
      })
    )
    this.drop(new CloseError.InternalError({ reason: "handler stalled" }))
  }

  protected log(what: string, event: SessionEvent.SessionEvent): void {
    Effect.runForkWith(this.environment.context)(
      Effect.annotateLogs(Effect.logDebug(`${what} ${renderEvent(event)}`), { connection: this.id })
    )
  }

  // Brings everything in line after something happened: the program, the closing handshake, the wire, the reading.
  protected advance(): void {
    this.busy = true
    this.wakeWaiters()
    if (this.poller !== undefined && !this.polled && this.hasDataOrEnd && !this.isHeldBack) {
      this.polled = true
      this.poller.onReady()
    }
    this.busy = false
    if (this.session.mustAnswerClose) this.answerOrWait()
    else if (this.draining !== undefined && this.isIdle) this.closeDrained(this.draining)
    this.flush()
    this.updateReadFlow()
    this.updateBudget()
  }

  /** The bytes that were received and not taken, messages that are not complete included. */
  get inboundBytes(): number {
    return this.receiveQueue.bytes + (this.finished ? 0 : this.session.bufferedBytes)
  }

  /** The bytes that were sent and the system has not taken. */
  get outboundBytes(): number {
    return this.finished ? 0 : this.writeQueue.waitingBytes
  }

  // Tells the budget what is held here. It may let go of connections that hold more.
  protected updateBudget(): void {
    const held = this.inboundBytes + this.outboundBytes
    if (held === (this.holding?.bytes ?? 0)) return
    const { budget } = this.environment
    this.holding ??= budget.open(this)
    budget.update(this.holding, held)
  }

  letGo(): void {
    const { context, logsDebug, settings } = this.environment
    if (logsDebug) {
      const message = "Closing: all connections together hold more than their budget"
      Effect.runForkWith(context)(
        Effect.annotateLogs(Effect.logDebug(message), { connection: this.id, held: this.holding?.bytes })
      )
    }
    this.receiveQueue.clear()
    // What the transport holds goes with the socket, where the peer does not read it.
    if (this.writeQueue.isBlocked && this.writer.pendingBytes > settings.writeHighWaterMark) {
      this.session.fail(new CloseError.TryAgainLater({ reason: "try again later" }))
      this.abortWith("the peer did not read, and memory was short")
    } else this.fail(new CloseError.TryAgainLater({ reason: "try again later" }))
  }

  // -- a message that is not complete ----------------------------------------------------------------------------------

  get isReceiving(): boolean {
    return !this.finished && this.session.isReceivingMessage
  }

  get progress(): number {
    return this.session.receivedParts
  }

  get isHeldUp(): boolean {
    return this.paused || this.session.pendingDecode !== undefined
  }

  onStall(): void {
    this.fail(new CloseError.PolicyViolation({ reason: "message timeout" }))
  }

  protected wakeWaiters(): void {
    while (this.waiters.isWaiting && this.hasDataOrEnd) this.waiters.wake()
  }

  protected get hasDataOrEnd(): boolean {
    return !this.receiveQueue.isEmpty || this.end() !== undefined
  }

  // The answer to a close waits for the replies to what came before it, but not for a program that reads nothing.
  protected answerOrWait(): void {
    if (this.isIdle) this.session.answerClose()
    else if (this.timer === undefined)
      this.startTimer(this.environment.settings.closeReplyTimeout, () => this.session.answerClose())
  }

  // Whether the program has nothing more to do with what was received. A client that took everything owes no replies.
  protected get isIdle(): boolean {
    if (!this.receiveQueue.isEmpty) return false
    if (this.poller !== undefined) return !this.polled
    return this.waiters.isWaiting || this.lastReader === 0 || this.session.role === "client"
  }

  protected closeDrained({ code, reason }: { readonly code: number; readonly reason: string }): void {
    this.draining = undefined
    this.session.close(code, reason)
    this.wakeWaiters()
  }

  // Whether the program waits for something to arrive, be it the rest of a message.
  protected get hasPendingRead(): boolean {
    return this.poller === undefined ? this.waiters.isWaiting : !this.polled && !this.isOutputFull
  }

  // In callback mode `send` does not wait for a peer that does not read. Its messages wait instead, and with them, once
  // they fill the inbound buffer, the peer: until then its pings are answered.
  private get isOutputFull(): boolean {
    return (
      this.poller !== undefined &&
      this.poller.readsWhileBlocked !== true &&
      this.session.canReceive &&
      !this.session.isClosing &&
      this.writeQueue.isAboveLimit
    )
  }

  // Only messages wait. To be told that one of its own was written may be what a program sends the next one for.
  protected get isHeldBack(): boolean {
    return this.receiveQueue.bytes > 0 && this.isOutputFull
  }

  protected updateReadFlow(): void {
    const held =
      this.draining !== undefined ||
      this.session.pendingDecode !== undefined ||
      (this.isFull && !this.hasPendingRead && this.session.canReceive && this.waitsForReader())
    if (held === this.paused || this.finished) return
    this.paused = held
    if (held) return this.reader.pause()
    // While nothing was read the peer's silence was ours.
    this.idleTicks = 0
    this.reader.resume()
  }

  private waitsForReader(): boolean {
    if (!this.session.isClosing) return true
    if (this.late === "Deliver") this.awaitReader()
    return this.late === "Await"
  }

  // -- what is written -------------------------------------------------------------------------------------------------

  /** What was to be done at the end of a turn. */
  onTurnEnd(): void {
    this.flushing = false
    this.advance()
  }

  /** Something threw that should not have, such as an extension of the program: the connection is aborted. */
  turnFailed(defect: unknown): void {
    this.busy = false
    this.flushing = false
    this.reportDefect("A connection failed and is aborted", defect)
    this.writeQueue.discard()
    try {
      this.abortWith("an internal error")
    } catch (defect) {
      this.reportDefect("A connection could not be aborted", defect)
    }
  }

  private reportDefect(message: string, defect: unknown): void {
    Effect.runForkWith(this.environment.context)(
      Effect.annotateLogs(Effect.logError(message, Cause.die(defect)), { connection: this.id })
    )
  }

  // Writes what has gathered, and ends the stream where the session is done.
  protected flush(): void {
    this.writeQueue.write()
    this.reportSent()
    const { session } = this
    const isDone = session.isClosed && (session.shouldCloseTransport || this.streamEnded)
    // What was sent before the peer's close frame is still its own; one that broke off is not waited for.
    const isBroken = this.streamEnded && session.closeInfo?.received === undefined
    if (this.transportClosed || (isDone && (isBroken || this.isHurried || this.writeQueue.isFlushed))) this.finish()
    else if (session.isClosing || session.isClosed) this.startCloseTimer()
  }

  protected reportSent(): void {
    const sent = this.writeQueue.takeSent()
    if (sent === undefined) return
    for (const message of sent) this.receiveQueue.addSent({ _tag: "Sent", message })
    // Whoever waits hears of it when what is going on now is done.
    if (!this.busy) this.flushAfterTurn()
  }

  protected flushAfterTurn(): void {
    if (this.busy || this.flushing) return
    this.flushing = true
    scheduleFlush(this)
  }

  protected encodePending(): void {
    const pending = this.session.pendingEncode
    if (pending === undefined) return
    pending.start((failure) => {
      this.session.resumeSend(failure)
      this.writeQueue.onEncoded()
      this.encodePending()
      this.writeQueue.wake()
      // An extension that finishes inside `start` is called by code that settles afterwards.
      if (!this.busy) this.advance()
    })
  }

  // -- how it ends -----------------------------------------------------------------------------------------------------

  protected startTimer(after: Duration.Duration, action: () => void): void {
    this.timer = Effect.runForkWith(this.environment.context)(
      Effect.andThen(
        Effect.sleep(after),
        Effect.sync(() => {
          this.timer = undefined
          action()
          this.advance()
        })
      )
    )
  }

  protected startCloseTimer(): void {
    if (this.closeTimer !== undefined) return this.closeTimer.look()
    const { context, settings } = this.environment
    // A connection that failed owes its peer nothing but the reason.
    const longest = this.session.closeInfo?.failed === true ? settings.closeTimeout : settings.maxCloseTime
    const backlog = (): number => this.watch?.progress.backlogMillis ?? 0
    this.closeTimer = new CloseTimer(settings.closeTimeout, longest, context, this.writeQueue, backlog, () => {
      this.closeTimer = undefined
      this.leave("the peer did not finish the closing handshake in time")
    })
  }

  /** Ends the connection without waiting for the peer any longer. */
  leave(why: string): void {
    if (this.finished) return
    this.session.abort(why)
    // A reset would destroy what the system has taken and the peer has not read yet.
    if (!this.writeQueue.isFlushed) this.writer.destroy()
    this.transportClosed = true
    this.advance()
  }

  protected finish(): void {
    if (this.finished) return
    this.finished = true
    if (this.timer !== undefined) {
      Effect.runForkWith(this.environment.context)(Fiber.interrupt(this.timer))
      this.timer = undefined
    }
    this.closeTimer?.stop(this.environment.context)
    this.closeTimer = undefined
    this.environment.settings.keepalive.remove(this)
    this.environment.settings.stalls?.remove(this)
    try {
      this.session.release()
    } catch (defect) {
      this.reportDefect("An extension threw when it was closed", defect)
    }
    if (isPushSocket(this.socket)) this.socket.close()
    else this.writer.shutdown()
    const closeInfo = this.session.closeInfo!
    const { cause } = closeInfo.error
    if (cause !== undefined) this.reportDefect("An extension threw, and its connection was closed with 1011", cause)
    this.writeQueue.meter?.closed(this, closeInfo)
    const waiters = this.closeWaiters
    this.closeWaiters = undefined
    if (waiters !== undefined) for (const resume of waiters) resume(closeInfo)
    this.pings?.failAll(closeInfo.error)
    this.writeQueue.wakeAll()
    this.wakeWaiters()
  }

  // The end as whoever waits for data sees it, or undefined as long as data may come.
  protected end(): End | undefined {
    // RFC 6455 5.5.1: the peer may send until it has sent its own close frame.
    if (this.session.isClosing && this.late !== "Drop") return undefined
    const { closeInfo } = this.session
    if (closeInfo === undefined) return this.detached ? Cause.Done() : undefined
    const isOurs = closeInfo.initiator === "local" && !closeInfo.failed
    return isOurs || CloseError.isNormalClose(closeInfo.error) ? Cause.Done() : closeInfo.error
  }

  // RFC 6455 7.1.7: the close frame of an end that fails the connection does not wait for data that the peer does not take.
  protected fail(error: CloseError.SendableCloseError): void {
    if (this.writeQueue.isBlocked && this.session.canSend) {
      this.writeQueue.discard()
      this.session.fail(error)
      this.writeQueue.writeLast()
      this.isHurried = true
    } else this.session.fail(error)
    this.advance()
  }

  // The same where this end cannot wait for the peer: without a close frame if that could not leave.
  protected drop(error: CloseError.SendableCloseError): void {
    this.receiveQueue.clear()
    if (!this.writeQueue.isBlocked && this.writeQueue.refusedBytes === 0) return this.fail(error)
    this.session.fail(error)
    this.abortWith(error.reason)
  }

  protected abortWith(why: string): void {
    this.session.abort(why)
    this.transportClosed = true
    this.writer.destroy()
    this.advance()
  }

  protected now(): bigint {
    return Context.get(this.environment.context, Clock.Clock).monotonicTimeNanosUnsafe()
  }
}

// Below this size a chunk is not worth the call that frees it.
const WORTH_FREEING = 4096
