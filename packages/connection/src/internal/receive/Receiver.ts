/**
 * The receiving half of a connection: chunks from the socket go to the session, which decodes them to events; the
 * events wait in the receive queue until the program takes them.
 *
 * Either fibers wait for events (`waiters`), or a poller is called when there are some: never both. While more than
 * `receiveBufferSize` bytes wait and the program does not ask for any, the socket is not read.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import type { PushReader } from "@effect-ws/transport/Push"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { ConnectionEvent } from "../../Connection.ts"
import type { Poller } from "./Poller.ts"
import type { Poll } from "./Poll.ts"
import { endErrorOf } from "../ConnectionParts.ts"
import type { End, Host } from "../ConnectionParts.ts"
import type * as PullOrWait from "./PullOrWait.ts"
import { ReceiveMemory, WORTH_FREEING } from "./ReceiveMemory.ts"
import { ReceiveQueue } from "./ReceiveQueue.ts"
import type { Sender } from "../send/Sender.ts"
import type { StallTarget } from "../keepalive/StallTimer.ts"
import { Waiters } from "./Waiters.ts"

/** The kinds of events, besides messages, that a program may ask for. */
export type EventKinds = ReadonlyArray<"Ping" | "Pong" | "Sent">

/** The connection as its receiver sees it. */
export interface ReceiverHost extends Host {
  readonly reader: PushReader
  readonly sender: Sender
  /** Keepalive ticks since the last byte from the peer. */
  idleTicks: number
  /** Whether the connection closes as soon as the program has handled everything that was received. */
  readonly isDraining: boolean
  /** Sends the close frame that `drain` has delayed. */
  closeDrained(): void
  /** Counts, logs and traces events, and finds the pings that pongs answer. */
  onEvents(events: ReadonlyArray<SessionEvent.SessionEvent>, bytes: number): void
  updateBudget(): void
}

/**
 * What happens to messages that arrive after our close frame and before the peer's.
 *
 * - `Deliver`: they go to the receive queue. While that is full, the socket is not read.
 * - `Await`: the same, for at most `closeReplyTimeout` while the program takes nothing.
 * - `Fill`: the program does not read now. What does not fit into the queue is dropped, with everything behind it.
 * - `Drop`: they are dropped, and the program sees the end at once.
 */
type LatePolicy = "Deliver" | "Await" | "Fill" | "Drop"

export class Receiver implements PullOrWait.Source, Poll, StallTarget {
  readonly queue = new ReceiveQueue()
  readonly waiters = new Waiters()
  /** Whether the socket is not read for now. */
  isPaused = false
  /** Keepalive ticks since the program took something, while something waits for it. */
  unreadTicks = 0

  private readonly connection: ReceiverHost
  private poller: Poller | undefined = undefined
  // Whether the poller was called and has not come back with `done` yet.
  private isPolling = false
  // Whether handlers of a server take the events.
  private hasHandlers = false
  private late: LatePolicy = "Deliver"
  // The id of the fiber that took last, or 0.
  private lastReader = 0
  private memory: ReceiveMemory | undefined = undefined

  constructor(connection: ReceiverHost) {
    this.connection = connection
  }

  // -- from the socket ------------------------------------------------------------------------------------------------

  /** Decodes a chunk and queues its events. */
  receive(chunk: Uint8Array): void {
    const { connection } = this
    const { session } = connection
    const isLate = session.isClosing
    const { length } = chunk
    const events = session.receive(chunk)
    // A chunk of which the session has freed the memory is empty.
    if (chunk.length >= WORTH_FREEING) {
      this.memory ??= new ReceiveMemory(connection.reader, connection.environment.settings.reuseReceiveBuffers)
      this.memory.release(chunk, events, session.retainsInput)
    }
    this.accept(events, isLate, length)
  }

  private accept(events: Array<SessionEvent.SessionEvent>, isLate: boolean, bytes: number): void {
    const { connection } = this
    connection.onEvents(events, bytes)
    if (!isLate || this.keepsLate()) this.queue.add(events)
    const pending = connection.session.pendingDecode
    if (pending !== undefined) pending.start((failure) => this.resumeDecoding(failure))
  }

  // An extension has decoded a message asynchronously; what arrived behind it waits in the session.
  private resumeDecoding(failure: Parameters<ReceiverHost["session"]["resumeReceive"]>[0]): void {
    const { connection } = this
    const { session } = connection
    connection.isBusy = true
    const isLate = session.isClosing
    try {
      this.accept(session.resumeReceive(failure), isLate, 0)
    } catch (defect) {
      return connection.onDefect(defect)
    }
    connection.advance()
  }

  /** The bytes that were received and not taken, incomplete messages included. */
  get bufferedBytes(): number {
    const { connection, queue } = this
    return queue.bytes + (connection.isFinished ? 0 : connection.session.bufferedBytes)
  }

  /** Pauses or resumes the socket. */
  updateReadFlow(): void {
    const { connection } = this
    const { session } = connection
    const isHeld =
      connection.isDraining ||
      session.pendingDecode !== undefined ||
      (this.isFull && !this.hasPendingRead && session.canReceive && this.waitsForReader())
    if (isHeld === this.isPaused || connection.isFinished) return
    this.isPaused = isHeld
    if (isHeld) return connection.reader.pause()
    // While nothing was read, the peer's silence was ours.
    connection.idleTicks = 0
    connection.reader.resume()
  }

  private get isFull(): boolean {
    const { environment, session } = this.connection
    return this.queue.bytes + session.bufferedBytes > environment.settings.receiveBufferSize
  }

  // Whether the program waits for something to arrive, such as the rest of a message.
  private get hasPendingRead(): boolean {
    return this.poller === undefined ? this.waiters.isWaiting : !this.isPolling && !this.isOutputFull
  }

  // With a poller, `send` never waits, so messages are not delivered while the peer does not read: otherwise our write
  // buffer grows without bound. Once the receive queue is full, the socket is not read. Until then its pings are
  // answered.
  private get isOutputFull(): boolean {
    const { sender, session } = this.connection
    return (
      this.poller !== undefined &&
      this.poller.readsWhileBlocked !== true &&
      session.canReceive &&
      !session.isClosing &&
      sender.queue.isAboveLimit
    )
  }

  // Only messages are held back. A program may send its next message when it learns that the last one was written.
  private get isHeldBack(): boolean {
    return this.queue.bytes > 0 && this.isOutputFull
  }

  // -- after our close frame ------------------------------------------------------------------------------------------

  private keepsLate(): boolean {
    if (this.late === "Fill" && this.isFull) this.late = "Drop"
    return this.late !== "Drop"
  }

  private waitsForReader(): boolean {
    if (!this.connection.session.isClosing) return true
    if (this.late === "Deliver") this.awaitReader()
    return this.late === "Await"
  }

  // The peer's close frame is behind messages that the program does not take, so a program that has stopped reading
  // must not hold it back for ever.
  private awaitReader(): void {
    const { connection, queue } = this
    const { context, settings } = connection.environment
    const { bytes } = queue
    this.late = "Await"
    Effect.runForkWith(context)(
      Effect.andThen(
        Effect.sleep(settings.closeReplyTimeout),
        Effect.sync(() => {
          if (connection.isFinished || this.late !== "Await") return
          this.late = queue.bytes < bytes ? "Deliver" : "Fill"
          connection.advance()
        })
      )
    )
  }

  /** Tells that the fiber `closer` has begun to close, and that it waits for the end without reading. */
  closing(closer: number | undefined): void {
    if (this.late === "Drop") this.queue.clear()
    else if (this.lastReader === 0 || this.lastReader === closer) this.late = "Fill"
  }

  /** Tells that the program has ended: unless another fiber waits for messages, nothing will be read any more. */
  programEnded(): void {
    if (!this.waiters.isWaiting) this.late = "Drop"
  }

  /** Drops what was received and what still arrives. */
  dropAll(): void {
    this.late = "Drop"
    this.queue.clear()
  }

  /** Returns the end as a fiber sees it that waits for data, or `undefined` while data may arrive. */
  get end(): End | undefined {
    const { session } = this.connection
    if (session.isOpen) return undefined
    // RFC 6455 5.5.1: the peer may send until it has sent its own close frame.
    if (session.isClosing && this.late !== "Drop") return undefined
    const { closeInfo } = session
    if (closeInfo === undefined) return this.connection.isDetached ? Cause.Done() : undefined
    const isOurs = closeInfo.initiator === "local" && !closeInfo.failed
    return isOurs || CloseError.isNormalClose(closeInfo.error) ? Cause.Done() : closeInfo.error
  }

  // -- to the program -------------------------------------------------------------------------------------------------

  /** Resumes the fibers for which there is something to take, and calls the poller; they run before this returns. */
  deliver(): void {
    this.wake()
    if (this.poller !== undefined && !this.isPolling && this.hasDataOrEnd && !this.isHeldBack) {
      this.callPoller(this.poller)
    }
  }

  // What a poller throws aborts the connection, so it is called once more, for the end. If it throws for the end, its
  // turn does not end, and it is not called again.
  private callPoller(poller: Poller): void {
    this.isPolling = true
    try {
      poller.onReady()
    } catch (defect) {
      this.isPolling = this.end !== undefined
      throw defect
    }
  }

  /** Resumes the fibers for which there is something to take, or the end. Never throws. */
  wake(): void {
    while (this.waiters.isWaiting && this.hasDataOrEnd) {
      try {
        this.waiters.wake()
      } catch (defect) {
        this.connection.onDefect(defect)
      }
    }
  }

  private get hasDataOrEnd(): boolean {
    return !this.queue.isEmpty || this.end !== undefined
  }

  /** Whether the program has handled everything that was received. A client that took everything owes no replies. */
  get isIdle(): boolean {
    if (!this.queue.isEmpty) return false
    if (this.poller !== undefined) return !this.isPolling
    return this.waiters.isWaiting || this.lastReader === 0 || this.connection.session.role === "client"
  }

  /** Begins to keep events of these kinds. */
  observe(kinds: EventKinds): void {
    this.queue.keeps = kinds
    if (kinds.includes("Sent")) this.connection.sender.queue.observe()
  }

  /** The same for the handlers of a server, which are done with a connection when it closes. */
  observeForHandlers(kinds: EventKinds): void {
    this.observe(kinds)
    this.hasHandlers = true
    this.late = "Drop"
  }

  /** Begins to read frames in place of messages. */
  readFrames(): void {
    // Handlers would get messages made of frames that no extension has decoded.
    if (this.hasHandlers) throw new Error("frames: the handlers of the server take what arrives; use the direct style")
    this.connection.session.setReadMode("frame")
  }

  private reclaimMemory(): void {
    if (this.queue.isEmpty) this.memory!.reclaim(this.connection.sender.queue)
  }

  takeNext<A>(take: () => A | undefined, strict: boolean, reader: number): Exit.Exit<A, End> | undefined {
    const { connection } = this
    const { session } = connection
    this.lastReader = reader
    this.unreadTicks = 0
    if (this.memory !== undefined && this.memory.hasSpent) this.reclaimMemory()
    const taken = take()
    if (taken !== undefined) {
      // A client may never ask again after the last message. What it sends in this turn still precedes the close frame.
      if (session.mustAnswerClose && this.isIdle) connection.advanceAfterTurn()
      if (this.isPaused) this.updateReadFlow()
      return Exit.succeed(taken)
    }
    return session.isOpen && !connection.isDraining ? undefined : this.takeEnd(strict)
  }

  // The program has taken everything, so a close frame that waited for that is due.
  private takeEnd(strict: boolean): Exit.Exit<never, End> | undefined {
    const { connection } = this
    const { session } = connection
    if (session.mustAnswerClose) this.answerClose()
    else if (connection.isDraining) {
      connection.closeDrained()
      connection.advanceAfterTurn()
    }
    const { end } = this
    if (end === undefined) return undefined
    return Exit.fail(strict && Cause.isDone(end) ? endErrorOf(session) : end)
  }

  park<A>(
    fiber: Fiber.Fiber<unknown, unknown>,
    resume: (pull: Effect.Effect<A, End>) => void,
    pull: Effect.Effect<A, End>
  ): void {
    this.waiters.add(fiber, resume, pull)
    if (this.isPaused) this.updateReadFlow()
    if (!this.connection.isBusy) this.connection.updateBudget()
  }

  private answerClose(): void {
    this.connection.session.answerClose()
    this.connection.advanceAfterTurn()
  }

  // -- to a poller, see `Polling` -------------------------------------------------------------------------------------

  /** Whether `send` waits while the peer does not read. */
  get sendWaits(): boolean {
    return this.poller === undefined || this.poller.sendWaits === true
  }

  poll(kinds: EventKinds, poller: Poller): void {
    this.observeForHandlers(kinds)
    this.poller = poller
    this.isPolling = true
  }

  take(max: number): ReadonlyArray<ConnectionEvent> {
    this.unreadTicks = 0
    const events = this.queue.takeEvents(max) ?? noEvents
    if (this.isPaused) this.updateReadFlow()
    return events
  }

  get isEnded(): boolean {
    return this.queue.isEmpty && this.end !== undefined
  }

  done(): boolean {
    if (this.memory !== undefined && this.memory.hasSpent) this.reclaimMemory()
    if (this.queue.isEmpty && this.connection.session.mustAnswerClose) this.answerClose()
    if (this.hasDataOrEnd && !this.isHeldBack) {
      if (this.poller!.holdsWrites !== undefined) this.connection.advanceAfterTurn()
      return false
    }
    this.isPolling = false
    // Within a callback of ours the rest of `advance` is still to come.
    if (!this.connection.isBusy) this.connection.advance()
    return true
  }

  onIdle(): void {
    this.poller?.onIdle?.()
  }

  /** Whether the poller holds back what is sent until it is done with its batch. */
  get holdsWrites(): boolean {
    return this.poller !== undefined && this.poller.holdsWrites === true
  }

  flushSync(): void {
    this.connection.advance()
  }

  sendSync(data: string | Uint8Array): ReturnType<Sender["sendSync"]> {
    return this.connection.sender.sendSync(data)
  }

  // -- an incomplete message, see `StallTimer` ------------------------------------------------------------------------

  get isReceiving(): boolean {
    return !this.connection.isFinished && this.connection.session.isReceivingMessage
  }

  get progress(): number {
    return this.connection.session.receivedParts
  }

  get isHeldUp(): boolean {
    return this.isPaused || this.connection.session.pendingDecode !== undefined
  }

  onStall(): void {
    this.connection.fail(new CloseError.PolicyViolation({ reason: "message timeout" }))
  }
}

const noEvents: ReadonlyArray<ConnectionEvent> = []
