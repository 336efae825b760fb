/**
 * The sending half of a connection: messages go to the session, which encodes them; the write queue hands the bytes to
 * the transport, and senders wait while more than `writeHighWaterMark` bytes wait for the peer.
 *
 * What is sent in one turn leaves in one write: a callback that is running writes at its end, and everything else is
 * written at the end of its turn.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type * as Frame from "@effect-ws/protocol/Frame"
import type * as Message from "@effect-ws/protocol/Message"
import { contentOf } from "@effect-ws/protocol/PreparedMessage"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { SendError } from "@effect-ws/protocol/SendError"
import type { SendFailure, SendOptions } from "@effect-ws/protocol/Session"
import type { PushWriter } from "@effect-ws/transport/Push"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { MessageStream } from "../../Connection.ts"
import type { Recipient } from "../../Recipient.ts"
import { attempt, dieOf, endErrorOf, guard } from "../ConnectionParts.ts"
import type { Host } from "../ConnectionParts.ts"
import type { ConnectionMetrics } from "../telemetry/ConnectionMetrics.ts"
import { dataEvent, logEvent } from "../describe.ts"
import { OutputProgress } from "../keepalive/OutputProgress.ts"
import { Primitive } from "../Primitive.ts"
import { WriteQueue } from "./WriteQueue.ts"

/** What a program may pass to `send`. */
export type Sendable = string | Uint8Array | Message.Message | PreparedMessage

/** The connection as its sender sees it. */
export interface SenderHost extends Host {
  /** Whether `send` waits while the peer does not read. If not, `maxBufferedBytes` bounds the pending output. */
  readonly sendWaits: boolean
  /** Messages were written, and the program has asked to be told. */
  onWritten(messages: ReadonlyArray<Message.Message>): void
  /** Calls `resume` once, when the connection has closed. The returned function cancels that. */
  onClosed(over: () => void): () => void
}

type Sent = Effect.Effect<void, CloseError.CloseError | SendError>

// `send` as an effect without a closure.
class Sending extends Primitive<void, CloseError.CloseError | SendError> {
  private readonly sender: Sender
  private readonly data: Sendable
  private readonly options: SendOptions | undefined

  constructor(sender: Sender, data: Sendable, options: SendOptions | undefined) {
    super()
    this.sender = sender
    this.data = data
    this.options = options
  }

  perform(): Sent {
    return this.sender.sendInOrder(this.data, this.options)
  }
}

export class Sender implements Recipient {
  readonly queue: WriteQueue
  private readonly connection: SenderHost
  // Held while a message is sent in pieces, from the first such message on.
  private messageLock: Semaphore.Semaphore | undefined = undefined

  constructor(connection: SenderHost, writer: PushWriter, meter: ConnectionMetrics | undefined) {
    this.connection = connection
    const { environment, session } = connection
    this.queue = new WriteQueue(session, writer, environment.settings.writeHighWaterMark, meter)
  }

  // -- messages -------------------------------------------------------------------------------------------------------

  send(data: Sendable, options: SendOptions | undefined): Sent {
    return new Sending(this, data, options)
  }

  /** Sends a message now, or when the one that is being sent in pieces is complete. */
  sendInOrder(data: Sendable, options: SendOptions | undefined): Sent {
    return this.messageLock === undefined
      ? this.sendNow(data, options)
      : Semaphore.withPermit(
          this.messageLock,
          Effect.suspend(() => this.sendNow(data, options))
        )
  }

  private sendNow(data: Sendable, options: SendOptions | undefined): Sent {
    try {
      const content = contentOf(data)
      return this.sent(
        typeof content === "object" && content !== null && "_tag" in content
          ? this.queuePrepared(content, options)
          : this.queueData(content, options)
      )
    } catch (defect) {
      return dieOf(this.connection, defect)
    }
  }

  private queueData(payload: string | Uint8Array, options?: SendOptions): SendFailure | undefined {
    const { connection } = this
    const failure = connection.session.send(payload, options)
    if (connection.environment.logsDebug) logEvent(connection, "Sent", dataEvent(payload))
    if (failure === undefined) this.queue.onSend(payload)
    return failure
  }

  private queuePrepared(prepared: PreparedMessage, options: SendOptions | undefined): SendFailure | undefined {
    const { connection } = this
    const failure = connection.session.sendPrepared(prepared, options)
    if (connection.environment.logsDebug) logEvent(connection, "Sent", prepared.message)
    if (failure === undefined) this.queue.onSend(prepared.message.data)
    return failure
  }

  /** Sends a message outside of any Effect. */
  sendSync(data: string | Uint8Array): SendFailure | undefined {
    const failure = this.queueData(data)
    this.afterSend(failure)
    return failure
  }

  /**
   * Sends messages one after the other, nothing in between, without waiting; returns whether the sender should wait.
   */
  queueAll(chunks: ReadonlyArray<string | Uint8Array>): Effect.Effect<boolean, CloseError.CloseError | SendError> {
    const queue = attempt(this.connection, () => {
      let failure: SendFailure | undefined
      for (const chunk of chunks) {
        failure = this.queueData(chunk)
        if (failure !== undefined) break
      }
      const mustWait = this.afterSend(failure)
      return failure === undefined ? Effect.succeed(mustWait) : Effect.fail(failure)
    })
    return Effect.suspend(() =>
      this.messageLock === undefined ? queue : Semaphore.withPermit(this.messageLock, queue)
    )
  }

  sendStream<E, R>(
    message: MessageStream<E, R>,
    options?: SendOptions
  ): Effect.Effect<void, E | CloseError.CloseError | SendError, R> {
    const { connection } = this
    return Effect.suspend(() => {
      if (!isMessageStream(message)) {
        return dieOf(connection, Argument.mismatch("message", "a message stream", message))
      }
      this.messageLock ??= Semaphore.makeUnsafe(1)
      const { _tag: type } = message
      const chunks: Stream.Stream<string | Uint8Array, E, R> = message.chunks
      const piece = (data: string | Uint8Array, last: boolean): Sent =>
        attempt(connection, () => {
          const checked = type === "Text" ? Argument.text("piece of a text", data) : Argument.bytes("piece", data)
          const failure = connection.session.sendFragment(type, checked, last, options)
          if (failure === undefined) this.queue.onSendPiece(type, checked, last)
          return this.sent(failure)
        })
      return Stream.runForEach(chunks, (chunk) => piece(chunk, false)).pipe(
        Effect.andThen(piece(type === "Text" ? "" : noBytes, true)),
        Effect.andThen(Effect.sync(() => this.wake())),
        Effect.onError(() => Effect.sync(() => this.failPartialMessage())),
        Semaphore.withPermit(this.messageLock)
      )
    })
  }

  // RFC 6455 has no way to take back half a message, so a stream that fails takes the connection with it.
  private failPartialMessage(): void {
    const { session } = this.connection
    if (!session.isSendingMessage) return
    guard(this.connection, () => session.close(1011, "a message broke off"))
    this.connection.advance()
  }

  sendFrame(frame: Frame.Frame, options?: { readonly unchecked?: boolean | undefined }): Sent {
    const { connection, queue } = this
    return attempt(connection, () => {
      const failure = connection.session.sendFrame(frame, options)
      if (failure === undefined) queue.onSendFrame(frame)
      if (!connection.session.isSendingMessage) this.wake()
      return this.sent(failure)
    })
  }

  pong(payload: Uint8Array = noBytes): Sent {
    return attempt(this.connection, () => this.sent(this.connection.session.pong(payload)))
  }

  private sent(failure: SendFailure | undefined): Sent {
    const mustWait = this.afterSend(failure)
    if (failure !== undefined) return Effect.fail(failure)
    return mustWait ? this.drained : Effect.void
  }

  // Starts encoding and writing what was sent, or what came of a failure; returns whether the sender should wait.
  private afterSend(failure: SendFailure | undefined): boolean {
    const { connection, queue } = this
    if (failure === undefined) this.encodePending()
    connection.advanceAfterTurn()
    if (failure !== undefined || !queue.isAboveLimit) return false
    if (connection.sendWaits) return true
    const { context, settings } = connection.environment
    if (queue.waitingBytes > settings.maxBufferedBytes) {
      connection.fail(new CloseError.TryAgainLater({ reason: "the peer does not read what it is sent" }))
    } else if (settings.writeTimeout !== undefined && !queue.isAwaited) {
      // No fiber waits for the peer, but `writeTimeout` still applies.
      Effect.runForkWith(context)(Effect.ignore(this.drained))
    }
    return false
  }

  // Starts the asynchronous work of an extension, such as compression, on what was sent; one message at a time.
  private encodePending(): void {
    const { connection, queue } = this
    const pending = connection.session.pendingEncode
    if (pending === undefined) return
    pending.start((failure) =>
      guard(connection, () => {
        connection.session.resumeSend(failure)
        queue.onEncoded()
        this.encodePending()
        this.wake()
        // An extension may finish inside `start`; then the callback that is running advances at its end.
        if (!connection.isBusy) connection.advance()
      })
    )
  }

  // -- writing --------------------------------------------------------------------------------------------------------

  /** Writes everything that was sent, as far as the transport takes it. */
  flush(): void {
    this.queue.write()
    this.reportWritten()
  }

  /** The transport takes more. */
  onDrain(): void {
    this.queue.onDrain()
    this.reportWritten()
  }

  private reportWritten(): void {
    const written = this.queue.takeSent()
    if (written !== undefined) this.connection.onWritten(written)
  }

  // If another sender throws when it is resumed, the connection fails, and not the caller.
  private wake(): void {
    try {
      this.queue.wake()
    } catch (defect) {
      this.connection.onDefect(defect)
    }
  }

  /** Ends every wait for the peer. */
  wakeAll(): void {
    try {
      this.queue.wakeAll()
    } catch (defect) {
      this.connection.onDefect(defect)
    }
  }

  /** The bytes that were sent and the system has not taken. */
  get bufferedBytes(): number {
    return this.connection.isFinished ? 0 : this.queue.waitingBytes
  }

  // -- waiting for the peer -------------------------------------------------------------------------------------------

  /** Waits until fewer than `writeHighWaterMark` bytes wait for the peer, or for `writeTimeout` at most. */
  get drained(): Effect.Effect<void, CloseError.CloseError> {
    const { connection, queue } = this
    const { session } = connection
    const waiting = Effect.callback<void, CloseError.CloseError>((resume) => {
      if (connection.isDetached) return resume(Effect.fail(endErrorOf(session)))
      return Effect.sync(
        queue.wait(() =>
          resume(
            session.canSend || !(connection.isFinished || connection.isDetached)
              ? Effect.void
              : Effect.fail(endErrorOf(session))
          )
        )
      )
    })
    const { writeTimeout } = connection.environment.settings
    return writeTimeout === undefined ? waiting : this.whileOutputMoves(waiting, writeTimeout)
  }

  // Aborts the connection when output that is blocked has not moved for `duration`.
  private whileOutputMoves(
    waiting: Effect.Effect<void, CloseError.CloseError>,
    duration: Duration.Duration
  ): Effect.Effect<void, CloseError.CloseError> {
    const { connection, queue } = this
    return Effect.suspend(() => {
      const progress = new OutputProgress()
      const look = Effect.sync(() => progress.look(queue, 0))
      const round: Effect.Effect<void, CloseError.CloseError> = Effect.timeoutOrElse(
        // The first look is after this turn: what leaves in it may be all that the system takes.
        Effect.raceFirst(waiting, Effect.andThen(Effect.yieldNow, Effect.andThen(look, Effect.never))),
        {
          duration,
          orElse: () =>
            Effect.flatMap(look, (hasMoved) => {
              if (hasMoved) return round
              connection.abortNow("the peer did not read in time")
              return Effect.fail(endErrorOf(connection.session))
            })
        }
      )
      return round
    })
  }

  /** Waits until the system has taken everything that was sent. */
  flushed(): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      this.queue.write()
      return this.queue.isFlushed ? Effect.void : Effect.flatMap(this.drained, () => this.flushed())
    })
  }

  // -- for callers that send to many connections, see `Fanout` --------------------------------------------------------

  get canSend(): boolean {
    return this.connection.session.canSend
  }

  get isClosed(): boolean {
    return this.connection.isFinished
  }

  get isWritable(): boolean {
    try {
      return !this.connection.session.isSendingMessage && !(this.queue.isAboveLimit && this.isBehind)
    } catch (defect) {
      this.connection.onDefect(defect)
      // The next send finds the end of the connection.
      return true
    }
  }

  // Over TLS, what was written in a turn is pending until its end, even if the system takes it at once. Only what the
  // system has refused waits for the peer; what gathers until that is known is bounded by `maxBufferedBytes`.
  private get isBehind(): boolean {
    const { connection, queue } = this
    return (
      connection.session.queuedBytes > 0 ||
      queue.refusedBytes > 0 ||
      queue.waitingBytes > connection.environment.settings.maxBufferedBytes
    )
  }

  pendingPrepare(message: PreparedMessage, options?: SendOptions): AsyncTransform | undefined {
    try {
      return this.connection.session.pendingPrepare(message, options)
    } catch (defect) {
      this.connection.onDefect(defect)
      return undefined
    }
  }

  sendUnsafe(message: PreparedMessage, options?: SendOptions): SendFailure | undefined {
    try {
      const failure = this.queuePrepared(message, options)
      this.encodePending()
      return failure
    } catch (defect) {
      this.connection.onDefect(defect)
      return endErrorOf(this.connection.session)
    }
  }

  flushUnsafe(): void {
    this.connection.advance()
  }

  onWritable(resume: () => void): () => void {
    return this.queue.wait(resume)
  }

  onClosed(over: () => void): () => void {
    return this.connection.onClosed(over)
  }

  failUnsafe(error: CloseError.SendableCloseError): void {
    this.connection.fail(error)
  }
}

const isMessageStream = (u: { readonly _tag: unknown; readonly chunks: unknown } | undefined | null): boolean =>
  u !== undefined && u !== null && (u._tag === "Text" || u._tag === "Binary") && Stream.isStream(u.chunks)

const noBytes = new Uint8Array(0)
