/**
 * The data path of an open connection, from the transport to its program and back. `ConnectionImpl` adds the calls of
 * the program. It is a subclass, and not an object of its own, because an idle connection would pay for that object.
 *
 * The data path is synchronous. A chunk is decoded to events; a program that waits for messages runs inside this very
 * callback, what it sends gathers in the session's output, and one write carries all of it. {@link
 * ConnectionCore.advance} does this; whatever has happened to the connection ends with a call of it.
 *
 * An idle connection is one object, its receiver and its sender: what only some connections need is created when they
 * do.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type * as Message from "@effect-ws/protocol/Message"
import type { CloseInfo, Session } from "@effect-ws/protocol/Session"
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import { callEach } from "@effect-ws/transport/internal"
import { peerInfo } from "@effect-ws/transport/Push"
import type { ByteSink, PushReader } from "@effect-ws/transport/Push"
import { describe } from "@effect-ws/transport/SocketFailure"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Socket, SocketError } from "effect/socket/Socket"
import type { Holder, Holding } from "../Budget.ts"
import type { Peer } from "../Peer.ts"
import { unknown } from "../Peer.ts"
import type { BufferedBytes } from "./telemetry/AggregateMetrics.ts"
import { ClosingHandshake } from "./close/ClosingHandshake.ts"
import type { ClosingHost } from "./close/ClosingHandshake.ts"
import { ConnectionKeepalive, watchProgram } from "./keepalive/ConnectionKeepalive.ts"
import type { KeepaliveHost } from "./keepalive/ConnectionKeepalive.ts"
import type { ConnectionMetrics } from "./telemetry/ConnectionMetrics.ts"
import { guard, logDefect } from "./ConnectionParts.ts"
import type { Environment, Parts } from "./ConnectionParts.ts"
import { logEvent } from "./describe.ts"
import { scheduleFlush } from "./send/FlushScheduler.ts"
import type { Flushable } from "./send/FlushScheduler.ts"
import type { KeepaliveTicks } from "./keepalive/KeepaliveTimer.ts"
import { Receiver } from "./receive/Receiver.ts"
import type { ReceiverHost } from "./receive/Receiver.ts"
import { Sender } from "./send/Sender.ts"
import type { SenderHost } from "./send/Sender.ts"

let lastId = 0

export class ConnectionCore
  implements ReceiverHost, SenderHost, ClosingHost, KeepaliveHost, ByteSink, BufferedBytes, Holder, Flushable
{
  readonly id: number = ++lastId
  readonly environment: Environment
  readonly session: Session
  readonly socket: Socket
  readonly reader: PushReader
  readonly receiver: Receiver
  readonly sender: Sender
  /** The keepalive, from the first ping or the first tick at which there is something to watch. */
  protected ownKeepalive: ConnectionKeepalive | undefined = undefined
  idleTicks = 0
  watchedAt = -1
  isBusy = false
  isFinished = false

  private readonly forwarded: Peer | undefined
  private isAdvancing = false
  // Whether `advance` was called while it was running.
  private mustRepeat = false
  // Whether `advance` runs at the end of this turn.
  private isScheduled = false
  private closingHandshake: ClosingHandshake | undefined = undefined
  // What the budget knows of this connection, from when that is something.
  private holding: Holding | undefined = undefined
  private closeWaiters: Array<(closeInfo: CloseInfo) => void> | undefined = undefined

  constructor(parts: Parts, meter?: ConnectionMetrics) {
    this.environment = parts.environment
    this.session = parts.session
    this.socket = parts.socket
    this.reader = parts.reader
    this.forwarded = parts.forwarded
    this.receiver = new Receiver(this)
    this.sender = new Sender(this, parts.writer, meter)
  }

  get closing(): ClosingHandshake {
    return (this.closingHandshake ??= new ClosingHandshake(this))
  }
  protected get keepalive(): ConnectionKeepalive {
    return (this.ownKeepalive ??= new ConnectionKeepalive(this))
  }

  /** Starts reading; `early` is what was read beyond the handshake. */
  start(early: ReadonlyArray<Uint8Array>): void {
    this.meter?.opened(this)
    this.environment.settings.keepalive.add(this, this.environment.context)
    for (const chunk of early) if (chunk.length > 0) this.onChunk(chunk)
    // A reader flows as soon as it has a subscriber, although `early` may have paused it.
    this.receiver.isPaused = false
    this.reader.subscribe(this)
    this.receiver.updateReadFlow()
  }

  /** Releases everything when the Scope of the connection closes; the peer sees the stream end. */
  release(): void {
    this.receiver.queue.clear()
    if (this.isFinished) this.updateBudget()
    else this.closing.release()
  }

  get meter(): ConnectionMetrics | undefined {
    return this.sender.queue.meter
  }

  // -- what the transport reports -------------------------------------------------------------------------------------

  onChunk(chunk: Uint8Array): void {
    this.idleTicks = 0
    this.isBusy = true
    try {
      this.meter?.arrived(chunk)
      this.receiver.receive(chunk)
    } catch (defect) {
      return this.onDefect(defect)
    }
    this.advance()
    const { context, settings } = this.environment
    if (this.session.isReceivingMessage) settings.stalls?.watch(this.receiver, context)
  }

  onDrain(): void {
    try {
      this.sender.onDrain()
    } catch (defect) {
      return this.onDefect(defect)
    }
    this.advance()
  }

  onEnd(): void {
    this.closing.onEnd()
  }

  onClose(error: SocketError | undefined): void {
    this.closing.onClose(error === undefined || error.reason._tag === "SocketCloseError" ? undefined : describe(error))
  }

  // -- the data path --------------------------------------------------------------------------------------------------

  /**
   * Brings the connection in line with what has changed, in this order:
   *
   * 1. The program takes what was received. It runs inside this call, and what it sends gathers.
   * 2. A close frame that waited for the program is sent, if it need not wait any longer.
   * 3. Everything that was sent is written.
   * 4. A connection that is done is finished; one that is closing gets a deadline.
   * 5. The socket is paused or resumed, and the budget learns what is buffered.
   *
   * Never runs inside itself: a call from one of these steps, such as a `close` of the program, makes the steps repeat.
   * Never throws: what a step throws, such as an observer or a transport of the program, aborts the connection.
   */
  advance(): void {
    if (this.isAdvancing) {
      this.mustRepeat = true
      return
    }
    this.isAdvancing = true
    try {
      do {
        this.mustRepeat = false
        this.isBusy = true
        this.receiver.deliver()
        this.isBusy = false
        // The program comes first: one write then carries everything that it sends.
        if (!this.mustRepeat) this.advanceOutput()
      } while (this.mustRepeat)
      this.isAdvancing = false
    } catch (defect) {
      this.isAdvancing = false
      this.onDefect(defect)
    }
  }

  private advanceOutput(): void {
    const isEnding = this.closingHandshake !== undefined || !this.session.isOpen
    if (isEnding) this.closing.sendClose()
    this.sender.flush()
    if (isEnding) this.closing.finishOrWait()
    this.receiver.updateReadFlow()
    this.updateBudget()
  }

  advanceAfterTurn(): void {
    if (this.isBusy || this.isScheduled || this.receiver.holdsWrites) return
    this.isScheduled = true
    scheduleFlush(this)
  }

  onTurnEnd(): void {
    this.isScheduled = false
    this.advance()
  }

  onDefect(defect: unknown): void {
    this.isBusy = false
    logDefect(this, "A connection failed and is aborted", defect)
    this.closing.crash("an internal error")
    this.updateBudget()
  }

  onEvents(events: ReadonlyArray<SessionEvent.SessionEvent>, bytes: number): void {
    const { meter } = this
    if (meter !== undefined) meter.received(bytes, events)
    if (this.environment.logsDebug) for (const event of events) logEvent(this, "Received", event)
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      if (event._tag !== "Pong" || event.ping === undefined) continue
      const roundTrip = this.ownKeepalive?.onPong(event.ping)
      if (roundTrip !== undefined) meter?.answered(roundTrip)
    }
  }

  onWritten(messages: ReadonlyArray<Message.Message>): void {
    for (const message of messages) this.receiver.queue.addSent({ _tag: "Sent", message })
    // A program that waits for it learns of it when what is going on now is done.
    this.advanceAfterTurn()
  }

  onTick(ticks: KeepaliveTicks): void {
    // One timer ticks for many connections.
    try {
      if (++this.idleTicks === 2) this.receiver.onIdle()
      watchProgram(this, ticks)
      if (this.ownKeepalive !== undefined || !ConnectionKeepalive.isQuiet(this, ticks)) this.keepalive.onTick(ticks)
    } catch (defect) {
      this.onDefect(defect)
    }
  }

  // -- what is buffered -----------------------------------------------------------------------------------------------

  get inboundBytes(): number {
    return this.receiver.bufferedBytes
  }
  get outboundBytes(): number {
    return this.sender.bufferedBytes
  }
  get buffered(): { readonly inbound: number; readonly outbound: number } {
    return { inbound: this.inboundBytes, outbound: this.outboundBytes }
  }

  /** Tells the budget what is buffered here. The budget may close connections that buffer more. */
  updateBudget(): void {
    const held = this.inboundBytes + this.outboundBytes
    if (held === (this.holding?.bytes ?? 0)) return
    const { budget } = this.environment
    this.holding ??= budget.open(this)
    budget.update(this.holding, held)
  }

  letGo(): void {
    const { context, logsDebug } = this.environment
    if (logsDebug) {
      const message = "Closing: all connections together hold more than their budget"
      Effect.runForkWith(context)(
        Effect.annotateLogs(Effect.logDebug(message), { connection: this.id, held: this.holding?.bytes })
      )
    }
    guard(this, () => this.closing.shed())
    // The budget needs the new number now; if `advance` is already running, it updates the budget only later.
    this.updateBudget()
  }

  // -- what the pieces of the connection ask --------------------------------------------------------------------------

  get peer(): Peer {
    return this.forwarded ?? peerInfo(this.socket) ?? peerInfo(this.reader) ?? unknown
  }
  get remoteAddress(): NetAddress.SocketAddress | undefined {
    return this.peer.remoteAddress
  }
  get backlogMillis(): number {
    return this.ownKeepalive?.backlogMillis ?? 0
  }
  get sendWaits(): boolean {
    return this.receiver.sendWaits
  }
  get isDraining(): boolean {
    return this.closingHandshake !== undefined && this.closingHandshake.isDraining
  }
  get isDetached(): boolean {
    return this.closingHandshake !== undefined && this.closingHandshake.isDetached
  }
  closeDrained(): void {
    this.closing.closeDrained()
  }

  // -- the end --------------------------------------------------------------------------------------------------------

  /** Calls `resume` once, when the connection has closed. The returned function cancels that. */
  onClosed(resume: (closeInfo: CloseInfo) => void): () => void {
    this.closeWaiters ??= []
    this.closeWaiters.push(resume)
    return () => {
      const at = this.closeWaiters?.indexOf(resume) ?? -1
      if (at >= 0) this.closeWaiters!.splice(at, 1)
    }
  }

  onFinish(closeInfo: CloseInfo): void {
    const waiters = this.closeWaiters
    this.closeWaiters = undefined
    this.atEnd(() => this.meter?.closed(this, closeInfo))
    if (waiters !== undefined) this.atEnd(() => callEach(waiters, (resume) => resume(closeInfo)))
    if (this.ownKeepalive !== undefined) this.atEnd(() => this.keepalive.failPings(closeInfo.error))
  }

  // Whatever one of them throws, the others learn of the end.
  private atEnd(tell: () => void): void {
    try {
      tell()
    } catch (defect) {
      logDefect(this, "An observer threw when its connection closed", defect)
    }
  }

  abortNow(why: string): void {
    this.closing.abort(why)
  }
  fail(error: CloseError.SendableCloseError): void {
    guard(this, () => this.closing.fail(error))
  }
}
