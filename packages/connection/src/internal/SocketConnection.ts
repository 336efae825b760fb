/**
 * The connection over a socket that pushes: it binds a session (which decides) to a transport (which moves bytes) and a
 * program (which pulls messages).
 *
 * The data path is synchronous. A chunk is decoded into one batch of events; a program that waits for messages runs
 * inside this very callback, its sends gather in the session's output, and one write carries them all. Sends that come
 * from elsewhere are written at the end of their turn.
 *
 * A class with prototype methods and few fields: a server holds one of these for each idle connection.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { ExtensionOffer } from "@effect-ws/protocol/ExtensionHeader"
import type * as Frame from "@effect-ws/protocol/Frame"
import type * as Message from "@effect-ws/protocol/Message"
import type { Misuse } from "@effect-ws/protocol/Misuse"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type * as Event from "@effect-ws/protocol/Event"
import { checkClose } from "@effect-ws/protocol/Session"
import type { Closure, SendFailure, SendOptions, Session } from "@effect-ws/protocol/Session"
import { isPushSocket } from "@effect-ws/transport/Push"
import type { ByteSink, PeerInfo, PushReader, PushWriter } from "@effect-ws/transport/Push"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as NetAddress from "effect/net/NetAddress"
import * as Semaphore from "effect/Semaphore"
import type { Socket, SocketError } from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { TypeId } from "../Connection.ts"
import type { Connection, ConnectionEvent, MessageStream } from "../Connection.ts"
import type { Settings } from "../ConnectionOptions.ts"
import { dataEvent, renderEvent } from "./describe.ts"
import { flushSoon } from "./flushing.ts"
import type { Beating } from "./Heartbeat.ts"
import { Inbox } from "./Inbox.ts"
import { Takers } from "./Takers.ts"
import { Unwritten } from "./Unwritten.ts"

/** What a connection is made of. */
export interface Parts {
  readonly session: Session
  readonly socket: Socket
  readonly reader: PushReader
  readonly writer: PushWriter
  readonly settings: Settings
  readonly context: Context.Context<never>
  readonly request: UpgradeRequest
  readonly subprotocol: string | undefined
  readonly attached?: Context.Context<never> | undefined
  readonly extensions: ReadonlyArray<ExtensionOffer>
  readonly peer: PeerInfo | undefined
  /** Whether anybody reads debug messages. */
  readonly logsDebug: boolean
}

/** What the end of a connection is to whoever waits for data. */
type End = CloseError.CloseError | Cause.Done

let lastId = 0

export class SocketConnection implements Connection, ByteSink, Beating {
  readonly id: number = ++lastId
  quiet = 0
  private readonly parts: Parts
  private readonly session: Session
  private readonly inbox = new Inbox()
  // Who is to be called when there is something to take, and whether it was and has not come back yet.
  private poller: (() => void) | undefined = undefined
  private polled = false
  private readonly takers = new Takers()

  // Whether a callback of ours is on the stack that flushes when it is done.
  private busy = false
  private flushing = false
  private paused = false
  private blocked = false
  private everTaken = false
  private streamEnded = false
  private over = false

  private spent: Array<Uint8Array> | undefined = undefined
  private drainWaiters: Array<() => void> | undefined = undefined
  private closeWaiters: Array<(closure: Closure) => void> | undefined = undefined
  private timer: Fiber.Fiber<void> | undefined = undefined
  private draining: { readonly code: number; readonly reason: string } | undefined = undefined
  private pings: Map<number, PendingPing> | undefined = undefined
  private unwritten: Unwritten | undefined = undefined
  private messageLock: Semaphore.Semaphore | undefined = undefined
  private roundTrip: Duration.Duration | undefined = undefined

  constructor(parts: Parts) {
    this.parts = parts
    this.session = parts.session
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }
  get request(): UpgradeRequest {
    return this.parts.request
  }
  get subprotocol(): string | undefined {
    return this.parts.subprotocol
  }
  get extensions(): ReadonlyArray<ExtensionOffer> {
    return this.parts.extensions
  }
  get remoteAddress(): NetAddress.SocketAddress | undefined {
    return this.parts.peer?.remoteAddress
  }
  get context(): Context.Context<never> {
    return this.parts.attached ?? Context.empty()
  }
  get latency(): Duration.Duration | undefined {
    return this.roundTrip
  }

  /** Starts reading; `early` is what came behind the handshake. */
  start(early: ReadonlyArray<Uint8Array>): void {
    this.parts.settings.heartbeat?.add(this, this.parts.context)
    for (const chunk of early) if (chunk.length > 0) this.onChunk(chunk)
    this.parts.reader.subscribe(this)
  }

  /** What a log or an inspector shows; the rest is nobody's business. */
  toJSON(): object {
    return { _id: "Connection", id: this.id, path: this.request.path, remoteAddress: this.remoteAddress }
  }
  [NodeInspectSymbol](): object {
    return this.toJSON()
  }

  /** Lets go of everything. The owner of the Scope does not care any more; the peer sees the stream end. */
  release(): void {
    if (this.over) return
    this.session.abort("this end let go of the connection")
    this.streamEnded = true
    this.settle()
  }

  // -- what the transport tells ----------------------------------------------------------------------------------------

  onChunk(bytes: Uint8Array): void {
    this.quiet = 0
    this.busy = true
    const isUnread = this.session.isClosing
    // Programs see views of the chunk, and `slice` of a Node Buffer does not copy as that of any other bytes does.
    const chunk = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const events = this.session.receive(chunk)
    if (chunk.length >= WORTH_FREEING && !this.session.holdsInput) this.setFree(chunk, events)
    this.accept(events, isUnread)
    this.settle()
  }

  onDrain(): void {
    this.blocked = false
    this.session.setBackedUp(false)
    this.reportSent()
    this.wakeSenders()
    this.settle()
  }

  onEnd(): void {
    this.session.receiveEnd()
    this.streamEnded = true
    this.settle()
  }

  onClose(error: SocketError | undefined): void {
    this.streamEnded = true
    this.session.abort(error === undefined || error.reason._tag === "SocketCloseError" ? undefined : describe(error))
    this.settle()
  }

  private accept(events: Array<Event.Event>, isUnread: boolean): void {
    if (this.parts.logsDebug) for (const event of events) this.log("Received", event)
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      if (event._tag === "Pong") this.onPong(event)
    }
    // What comes after our close frame has nobody left to read it.
    if (!isUnread) this.inbox.add(events)
    const pending = this.session.pendingDecode
    if (pending !== undefined) {
      pending.start((failure) => {
        this.busy = true
        const isUnread = this.session.isClosing
        this.accept(this.session.resumeReceive(failure), isUnread)
        this.settle()
      })
    }
  }

  // A chunk of which the program sees nothing is free at once; one that it sees in part is when it has dealt with that.
  private setFree(chunk: Uint8Array, events: ReadonlyArray<Event.Event>): void {
    if (events.every((event) => event._tag === "Text")) return free(chunk)
    if (!this.parts.settings.recycle) return
    this.spent ??= []
    this.spent.push(chunk)
  }

  private recycle(): void {
    const spent = this.spent
    if (spent === undefined || !this.inbox.isEmpty) return
    this.spent = undefined
    // Large payloads are sent by reference.
    this.writeOut()
    if (this.waitingBytes === 0) for (const chunk of spent) free(chunk)
  }

  onIdle(): void {
    // While nothing is read for want of a program that takes it, the peer's silence is ours.
    if (this.paused) this.quiet = 0
    else if (this.trackPing(this.session.ping(), ignore, ignore)) this.flushAfterTurn()
  }

  onSilence(): void {
    this.session.fail(new CloseError.InternalError({ reason: "keepalive timeout" }))
    this.settle()
  }

  private log(what: string, event: Event.Event): void {
    Effect.runForkWith(this.parts.context)(
      Effect.annotateLogs(Effect.logDebug(`${what} ${renderEvent(event)}`), { connection: this.id })
    )
  }

  // Brings everything in line after something happened: the program, the closing handshake, the wire, the reading.
  private settle(): void {
    this.busy = true
    this.wakeTakers()
    if (this.poller !== undefined && !this.polled && this.hasNews) {
      this.polled = true
      this.poller()
    }
    this.busy = false
    if (this.session.owesClose) this.answerOrWait()
    else if (this.draining !== undefined && this.isIdle) this.closeDrained(this.draining)
    this.flush()
    this.regulate()
  }

  private wakeTakers(): void {
    while (this.takers.isWaiting && this.hasNews) this.takers.wake()
  }

  private get hasNews(): boolean {
    return !this.inbox.isEmpty || this.end() !== undefined
  }

  // The answer to a close waits for the replies to what came before it, but not for a program that reads nothing.
  private answerOrWait(): void {
    if (this.isIdle) this.session.answerClose()
    else if (this.timer === undefined) this.arm(this.parts.settings.replyGrace, () => this.session.answerClose())
  }

  // Whether the program has nothing more to do with what was received. A client that took everything owes no replies.
  private get isIdle(): boolean {
    if (!this.inbox.isEmpty) return false
    if (this.poller !== undefined) return !this.polled
    return this.takers.isWaiting || !this.everTaken || this.session.role === "client"
  }

  private closeDrained({ code, reason }: { readonly code: number; readonly reason: string }): void {
    this.draining = undefined
    this.session.close(code, reason)
    this.wakeTakers()
  }

  // Whether the program waits for something to arrive, be it the rest of a message.
  private get isWanted(): boolean {
    return this.poller === undefined ? this.takers.isWaiting : !this.polled
  }

  private regulate(): void {
    const { reader, settings } = this.parts
    const held =
      this.draining !== undefined ||
      this.session.pendingDecode !== undefined ||
      (!this.isWanted &&
        this.session.canReceive &&
        !this.session.isClosing &&
        this.inbox.bytes + this.session.bufferedBytes > settings.inboundBuffer) ||
      // Whose sends do not wait for the peer must not read on from one that does not read.
      (this.poller !== undefined && this.session.canReceive && !this.session.isClosing && this.isAboveLimit)
    if (held === this.paused || this.over) return
    this.paused = held
    if (held) reader.pause()
    else reader.resume()
  }

  // -- what is written -------------------------------------------------------------------------------------------------

  /** What was to be done at the end of a turn. */
  turnEnded(): void {
    this.flushing = false
    this.settle()
  }

  // Writes what has gathered, and ends the stream where the session is done.
  private flush(): void {
    this.writeOut()
    if (!this.session.isClosed) {
      if (this.session.isClosing && this.timer === undefined) this.armClose()
      return
    }
    if (this.session.endsStream || this.streamEnded) this.finish()
    else if (this.timer === undefined) this.armClose()
  }

  private writeOut(): void {
    const { output } = this.session
    if (output.pendingBytes === 0) return
    const { writer } = this.parts
    if (this.unwritten !== undefined) this.unwritten.written += output.pendingBytes
    const chunks = output.take()
    let accepted = true
    if (chunks.length === 1) {
      accepted = writer.writeUnsafe(chunks[0]!)
    } else {
      writer.cork()
      // Each answer tells of all that is pending: the last one counts.
      for (let at = 0; at < chunks.length; at++) accepted = writer.writeUnsafe(chunks[at]!)
      writer.uncork()
    }
    output.release(writer.copies && writer.pendingBytes === 0)
    this.reportSent()
    if (!accepted && !this.blocked) {
      this.blocked = true
      this.session.setBackedUp(true)
    }
  }

  private reportSent(): void {
    const sent = this.unwritten?.take(this.parts.writer.pendingBytes)
    if (sent === undefined) return
    for (const message of sent) this.inbox.addSent({ _tag: "Sent", message })
    // Whoever waits hears of it when what is going on now is done.
    if (!this.busy) this.flushAfterTurn()
  }

  private flushAfterTurn(): void {
    if (this.busy || this.flushing) return
    this.flushing = true
    flushSoon(this)
  }

  private get waitingBytes(): number {
    return this.parts.writer.pendingBytes + this.session.output.pendingBytes + this.session.queuedBytes
  }

  private get isAboveLimit(): boolean {
    const limit = this.parts.settings.outboundBuffer
    if (this.session.output.pendingBytes > limit) this.writeOut()
    return (this.blocked || this.session.queuedBytes > 0) && this.waitingBytes > limit
  }

  private wakeSenders(): void {
    const waiters = this.drainWaiters
    if (waiters === undefined || (!this.over && this.isAboveLimit)) return
    this.drainWaiters = undefined
    for (const resume of waiters) resume()
  }

  private encodePending(): void {
    const pending = this.session.pendingEncode
    if (pending === undefined) return
    pending.start((failure) => {
      this.session.resumeSend(failure)
      this.unwritten?.encoded(this.session)
      this.encodePending()
      this.wakeSenders()
      this.flush()
    })
  }

  // -- how it ends -----------------------------------------------------------------------------------------------------

  private arm(after: Duration.Duration, action: () => void): void {
    this.timer = Effect.runForkWith(this.parts.context)(
      Effect.andThen(
        Effect.sleep(after),
        Effect.sync(() => {
          this.timer = undefined
          action()
          this.settle()
        })
      )
    )
  }

  private armClose(): void {
    this.arm(this.parts.settings.closeTimeout, () => {
      this.session.abort("the peer did not finish the closing handshake in time")
      this.streamEnded = true
      this.parts.writer.destroy()
    })
  }

  private finish(): void {
    if (this.over) return
    this.over = true
    if (this.timer !== undefined) {
      Effect.runForkWith(this.parts.context)(Fiber.interrupt(this.timer))
      this.timer = undefined
    }
    const { settings, socket, writer } = this.parts
    settings.heartbeat?.remove(this)
    if (isPushSocket(socket)) socket.close()
    else writer.shutdown()
    const closure = this.session.closure!
    const waiters = this.closeWaiters
    this.closeWaiters = undefined
    if (waiters !== undefined) for (const resume of waiters) resume(closure)
    const pings = this.pings
    this.pings = undefined
    if (pings !== undefined) for (const ping of pings.values()) ping.fail(closure.error)
    this.wakeSenders()
    this.wakeTakers()
  }

  // The end as whoever waits for data sees it, or undefined as long as data may come.
  private end(): End | undefined {
    const { closure } = this.session
    if (closure === undefined) return undefined
    const isOurs = closure.initiator === "local" && !closure.failed
    return isOurs || CloseError.isOrdinary(closure.error) ? Cause.Done() : closure.error
  }

  get closed(): Effect.Effect<Closure> {
    return Effect.callback((resume) => {
      if (this.over) return resume(Effect.succeed(this.session.closure!))
      const waiter = (closure: Closure): void => resume(Effect.succeed(closure))
      this.closeWaiters ??= []
      this.closeWaiters.push(waiter)
      return Effect.sync(() => remove(this.closeWaiters, waiter))
    })
  }

  close(code?: number, reason?: string): Effect.Effect<Closure, Misuse> {
    return Effect.suspend(() => {
      const failure = this.session.close(code, reason)
      if (failure !== undefined && failure._tag === "Misuse") return Effect.fail(failure)
      // Nobody will read what was received and not pulled, and what is still to come is the answer.
      this.inbox.clear()
      this.draining = undefined
      this.settle()
      return this.closed
    })
  }

  drain(code = 1000, reason = ""): Effect.Effect<Closure, Misuse> {
    return Effect.suspend(() => {
      const misuse = checkClose(code, reason)
      if (misuse !== undefined) return Effect.fail(misuse)
      if (this.session.canReceive && !this.session.isClosing) {
        this.draining = { code, reason }
        this.settle()
      }
      return this.closed
    })
  }

  // -- what the program takes ------------------------------------------------------------------------------------------

  // Gives what `take` finds, or parks the fiber until there is more.
  private demand<A>(take: () => A | undefined): Effect.Effect<A, End> {
    const attempt: Effect.Effect<A, End> = Effect.withFiber((fiber) => {
      this.everTaken = true
      if (this.spent !== undefined) this.recycle()
      const taken = take()
      if (taken !== undefined) {
        if (this.paused) this.regulate()
        return Effect.succeed(taken)
      }
      if (this.session.owesClose) {
        this.session.answerClose()
        this.flushAfterTurn()
      } else if (this.draining !== undefined) {
        this.closeDrained(this.draining)
        this.flushAfterTurn()
      }
      const end = this.end()
      if (end !== undefined) return Effect.fail(end)
      return Effect.callback<A, End>((resume) => {
        this.takers.add(fiber, () => resume(attempt))
        if (this.paused) this.regulate()
      })
    })
    return attempt
  }

  private streamOf<A>(take: () => readonly [A, ...Array<A>] | undefined): Stream.Stream<A, CloseError.CloseError> {
    return Stream.fromPull(Effect.sync(() => this.demand(take)))
  }

  get messages(): Stream.Stream<Message.Message, CloseError.CloseError> {
    return this.streamOf(() => this.inbox.takeMessages())
  }

  events(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">): Stream.Stream<ConnectionEvent, CloseError.CloseError> {
    this.inbox.keeps = kinds
    if (kinds.includes("Sent")) this.unwritten ??= new Unwritten()
    return this.streamOf(() => this.inbox.takeEvents())
  }

  poll(kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">, onReady: () => void): void {
    this.inbox.keeps = kinds
    if (kinds.includes("Sent")) this.unwritten ??= new Unwritten()
    this.poller = onReady
    this.polled = true
  }

  takeEvents(max: number): ReadonlyArray<ConnectionEvent> {
    return this.inbox.takeEvents(max) ?? noEvents
  }

  get isEnded(): boolean {
    return this.inbox.isEmpty && this.end() !== undefined
  }

  polledOut(): boolean {
    if (this.spent !== undefined) this.recycle()
    if (this.inbox.isEmpty && this.session.owesClose) {
      this.session.answerClose()
      this.flushAfterTurn()
    }
    if (this.hasNews) return false
    this.polled = false
    this.settle()
    return true
  }

  get receive(): Effect.Effect<Message.Message, CloseError.CloseError> {
    return this.orClosed(this.demand(() => this.inbox.takeMessage()))
  }

  get receiveStream(): Effect.Effect<MessageStream, CloseError.CloseError> {
    return this.orClosed(
      this.demand(() => {
        if (this.inbox.isEmpty) this.inbox.add(this.session.setDelivery("fragment"))
        const beginning = this.inbox.beginStream()
        if (beginning === undefined) return undefined
        return beginning._tag === "Whole"
          ? wholeStream(beginning.message)
          : this.streamOfPieces(beginning.type, beginning.reading)
      })
    )
  }

  private streamOfPieces(type: "Text" | "Binary", reading: number): MessageStream {
    const chunks = this.streamOf(() => this.inbox.takePieces(reading)).pipe(Stream.takeUntil((piece) => piece.last))
    return type === "Text"
      ? { _tag: "Text", chunks: Stream.map(chunks, (piece) => piece.data as string) }
      : { _tag: "Binary", chunks: Stream.map(chunks, (piece) => piece.data as Uint8Array) }
  }

  get frames(): Stream.Stream<Frame.Frame, CloseError.CloseError> {
    return Stream.unwrap(
      Effect.acquireRelease(
        Effect.sync(() => {
          this.session.setDelivery("frame")
          return this.streamOf(() => this.inbox.takeFrames())
        }),
        () => Effect.sync(() => this.session.setDelivery("message"))
      )
    )
  }

  private orClosed<A>(effect: Effect.Effect<A, End>): Effect.Effect<A, CloseError.CloseError> {
    return Effect.catchIf(effect, Cause.isDone, () => Effect.fail(this.session.closure!.error))
  }

  // -- what the program sends ------------------------------------------------------------------------------------------

  send(
    data: string | Uint8Array | Message.Message,
    options?: SendOptions
  ): Effect.Effect<void, CloseError.CloseError | Misuse> {
    const sending = Effect.suspend(() => {
      const payload = typeof data === "object" && "_tag" in data ? data.data : data
      const failure = this.session.send(payload, options)
      if (this.parts.logsDebug) this.log("Sent", dataEvent(payload))
      if (this.unwritten !== undefined && failure === undefined) this.unwritten.add(payload, this.session)
      return this.sent(failure)
    })
    return this.messageLock === undefined ? sending : Semaphore.withPermit(this.messageLock, sending)
  }

  sendStream<E, R>(
    message: MessageStream<E, R>,
    options?: SendOptions
  ): Effect.Effect<void, E | CloseError.CloseError | Misuse, R> {
    return Effect.suspend(() => {
      this.messageLock ??= Semaphore.makeUnsafe(1)
      const chunks: Stream.Stream<string | Uint8Array, E, R> = message.chunks
      const piece = (data: string | Uint8Array, last: boolean): Effect.Effect<void, CloseError.CloseError | Misuse> =>
        Effect.suspend(() => this.sent(this.session.sendFragment(message._tag, data, last, options)))
      return Stream.runForEach(chunks, (chunk) => piece(chunk, false)).pipe(
        Effect.andThen(piece("", true)),
        Effect.onError(() => Effect.sync(() => this.breakOff())),
        Semaphore.withPermit(this.messageLock)
      )
    })
  }

  // RFC 6455 has no way to take back half a message, so a stream that fails takes the connection with it.
  private breakOff(): void {
    this.session.close(1011, "a message broke off")
    this.settle()
  }

  sendFrame(
    frame: Frame.Frame,
    options?: { readonly unchecked?: boolean | undefined }
  ): Effect.Effect<void, CloseError.CloseError | Misuse> {
    return Effect.suspend(() => this.sent(this.session.sendFrame(frame, options)))
  }

  private sent(failure: SendFailure | undefined): Effect.Effect<void, CloseError.CloseError | Misuse> {
    if (failure !== undefined) return Effect.fail(failure)
    this.encodePending()
    this.flushAfterTurn()
    if (!this.isAboveLimit) return Effect.void
    if (this.poller === undefined) return this.drained
    if (this.waitingBytes > this.parts.settings.outboundLimit) {
      this.session.fail(new CloseError.TryAgainLater({ reason: "the peer does not read what it is sent" }))
    }
    return Effect.void
  }

  private get drained(): Effect.Effect<void, CloseError.CloseError> {
    const waiting = Effect.callback<void, CloseError.CloseError>((resume) => {
      const waiter = (): void =>
        resume(this.session.canSend || !this.over ? Effect.void : Effect.fail(this.session.closure!.error))
      this.drainWaiters ??= []
      this.drainWaiters.push(waiter)
      return Effect.sync(() => remove(this.drainWaiters, waiter))
    })
    const { writeTimeout } = this.parts.settings
    return writeTimeout === undefined
      ? waiting
      : Effect.timeoutOrElse(waiting, {
          duration: writeTimeout,
          orElse: () =>
            Effect.suspend(() => {
              this.giveUp("the peer did not read in time")
              return Effect.fail(this.session.closure!.error)
            })
        })
  }

  abort(why = "aborted"): Effect.Effect<void> {
    return Effect.sync(() => this.giveUp(why))
  }

  private giveUp(why: string): void {
    this.session.abort(why)
    this.streamEnded = true
    this.parts.writer.destroy()
    this.settle()
  }

  get flushed(): Effect.Effect<void, CloseError.CloseError> {
    return this.untilFlushed()
  }

  private untilFlushed(): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      this.writeOut()
      const isFlushed = this.parts.writer.pendingBytes === 0 && this.session.pendingEncode === undefined
      return isFlushed ? Effect.void : Effect.flatMap(this.drained, () => this.untilFlushed())
    })
  }

  ping(payload?: Uint8Array): Effect.Effect<Duration.Duration, CloseError.CloseError | Misuse> {
    return Effect.callback((resume) => {
      const id = this.session.ping(payload)
      if (typeof id !== "number") return resume(Effect.fail(id))
      this.trackPing(
        id,
        (roundTrip) => resume(Effect.succeed(roundTrip)),
        (error) => resume(Effect.fail(error))
      )
      this.flushAfterTurn()
      return Effect.sync(() => this.pings?.delete(id))
    })
  }

  private trackPing(id: number | SendFailure, succeed: PendingPing["succeed"], fail: PendingPing["fail"]): boolean {
    if (typeof id !== "number") return false
    this.pings ??= new Map()
    this.pings.set(id, { sentAt: this.now(), succeed, fail })
    return true
  }

  pong(payload: Uint8Array = new Uint8Array(0)): Effect.Effect<void, CloseError.CloseError | Misuse> {
    return Effect.suspend(() => this.sent(this.session.pong(payload)))
  }

  private onPong(pong: Event.Pong): void {
    if (pong.ping === undefined || this.pings === undefined) return
    const now = this.now()
    for (const [id, pending] of this.pings) {
      // RFC 6455 5.5.3: a pong answers the newest ping, and with it the ones before.
      if (id > pong.ping) break
      this.pings.delete(id)
      this.roundTrip = Duration.nanos(now - pending.sentAt)
      pending.succeed(this.roundTrip)
    }
  }

  private now(): bigint {
    return Context.get(this.parts.context, Clock.Clock).currentTimeNanosUnsafe()
  }
}

interface PendingPing {
  readonly sentAt: bigint
  readonly succeed: (roundTrip: Duration.Duration) => void
  readonly fail: (error: CloseError.CloseError) => void
}

const wholeStream = (message: Message.Message): MessageStream =>
  message._tag === "Text"
    ? { _tag: "Text", chunks: Stream.succeed(message.data) }
    : { _tag: "Binary", chunks: Stream.succeed(message.data) }

// Below this size a chunk is not worth the call that frees it.
const WORTH_FREEING = 4096

// The collector gets to a chunk in its own time, which for memory outside its heap is late: with each new chunk in new
// memory, reading and writing it costs twice as much.
const free = (chunk: Uint8Array): void => {
  const buffer = chunk.buffer as ArrayBuffer
  if (chunk.byteLength === buffer.byteLength && "transfer" in buffer) buffer.transfer(0)
}

const noEvents: ReadonlyArray<ConnectionEvent> = []

const ignore = (): void => {}

const remove = <A>(list: Array<A> | undefined, item: A): void => {
  const at = list?.indexOf(item) ?? -1
  if (at >= 0) list!.splice(at, 1)
}

const describe = (error: SocketError): string => {
  const { reason } = error
  const cause: unknown = "cause" in reason ? reason.cause : undefined
  return cause instanceof Error ? cause.message : reason.message
}
