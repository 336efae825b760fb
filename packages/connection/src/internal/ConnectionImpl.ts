/**
 * An open connection as its program sees it: the implementation of `Connection`, whose calls go to the receiver, the
 * sender, the closing handshake and the keepalive. What happens between these and the transport is in `ConnectionCore`.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { ExtensionOffer } from "@effect-ws/protocol/ExtensionHeader"
import type * as Frame from "@effect-ws/protocol/Frame"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type * as Message from "@effect-ws/protocol/Message"
import type { SendError } from "@effect-ws/protocol/SendError"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import { checkClose } from "@effect-ws/protocol/Session"
import type { CloseInfo, SendOptions } from "@effect-ws/protocol/Session"
import * as Refable from "@effect-ws/transport/Refable"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as Stream from "effect/Stream"
import { TypeId } from "../Connection.ts"
import type { ConnectionEvent, MessageStream } from "../Connection.ts"
import { RecipientTypeId } from "../Recipient.ts"
import type { Recipient } from "../Recipient.ts"
import type { ConnectionMetrics } from "./telemetry/ConnectionMetrics.ts"
import { ConnectionCore } from "./ConnectionCore.ts"
import { attempt } from "./ConnectionParts.ts"
import type { End, Parts } from "./ConnectionParts.ts"
import { OwnTypeId } from "./OwnConnection.ts"
import type { OwnConnection } from "./OwnConnection.ts"
import type { Poll } from "./receive/Poll.ts"
import type { Poller } from "./receive/Poller.ts"
import * as PullOrWait from "./receive/PullOrWait.ts"
import * as reading from "./receive/reading.ts"
import type { EventKinds } from "./receive/Receiver.ts"
import type { Sendable } from "./send/Sender.ts"

export class ConnectionImpl extends ConnectionCore implements OwnConnection {
  readonly request: UpgradeRequest
  readonly subprotocol: string | undefined
  readonly extensions: ReadonlyArray<ExtensionOffer>
  private readonly attached: Context.Context<never> | ResponseHead | Http2ResponseHead | undefined

  constructor(parts: Parts, meter?: ConnectionMetrics) {
    super(parts, meter)
    this.request = parts.request
    this.subprotocol = parts.subprotocol
    this.extensions = parts.extensions
    this.attached = parts.attached
  }

  // -- what the connection is -----------------------------------------------------------------------------------------

  get [TypeId](): typeof TypeId {
    return TypeId
  }
  get [OwnTypeId](): typeof OwnTypeId {
    return OwnTypeId
  }
  get context(): Context.Context<never> {
    return Context.isContext(this.attached) ? this.attached : Context.empty()
  }
  get response(): ResponseHead | Http2ResponseHead | undefined {
    return Context.isContext(this.attached) ? undefined : this.attached
  }
  get latency(): Duration.Duration | undefined {
    return this.ownKeepalive?.latency
  }

  /** What a log or an inspector shows: not what the connection is made of. */
  toJSON(): object {
    return { _id: "Connection", id: this.id, path: this.request.path, remoteAddress: this.remoteAddress }
  }
  [NodeInspectSymbol](): object {
    return this.toJSON()
  }

  [Refable.ref](): void {
    const { context, settings } = this.environment
    Refable.set(this.socket, true)
    if (!this.isFinished) settings.keepalive.add(this, context)
  }

  // The timer of the keepalive would keep the process alive, too.
  [Refable.unref](): void {
    Refable.set(this.socket, false)
    this.environment.settings.keepalive.remove(this)
  }

  // -- receiving, see `Receiver` --------------------------------------------------------------------------------------

  get messages(): Stream.Stream<Message.Message, CloseError.CloseError> {
    return reading.messages(this.receiver)
  }
  get receive(): Effect.Effect<Message.Message, CloseError.CloseError> {
    return reading.receive(this.receiver)
  }
  get receiveStream(): Effect.Effect<MessageStream, CloseError.CloseError> {
    return reading.receiveStream(this.receiver, this.session)
  }
  get frames(): Stream.Stream<Frame.Frame, CloseError.CloseError> {
    return reading.frames(this.receiver, this.session)
  }
  events(kinds: EventKinds): Stream.Stream<ConnectionEvent, CloseError.CloseError> {
    return reading.events(this.receiver, kinds)
  }
  poll(kinds: EventKinds, poller: Poller): Poll {
    this.receiver.poll(kinds, poller)
    return this.receiver
  }
  pull(kinds: EventKinds): Effect.Effect<NonEmptyReadonlyArray<ConnectionEvent>, End> {
    const { receiver } = this
    receiver.observeForHandlers(kinds)
    return PullOrWait.pull(receiver, () => receiver.queue.takeEvents())
  }

  // -- sending, see `Sender` ------------------------------------------------------------------------------------------

  send(data: Sendable, options?: SendOptions): Effect.Effect<void, CloseError.CloseError | SendError> {
    return this.sender.send(data, options)
  }
  get [RecipientTypeId](): Recipient {
    return this.sender
  }
  queueAll(chunks: ReadonlyArray<string | Uint8Array>): Effect.Effect<boolean, CloseError.CloseError | SendError> {
    return this.sender.queueAll(chunks)
  }
  sendStream<E, R>(
    message: MessageStream<E, R>,
    options?: SendOptions
  ): Effect.Effect<void, E | CloseError.CloseError | SendError, R> {
    return this.sender.sendStream(message, options)
  }
  sendFrame(
    frame: Frame.Frame,
    options?: { readonly unchecked?: boolean | undefined }
  ): Effect.Effect<void, CloseError.CloseError | SendError> {
    return this.sender.sendFrame(frame, options)
  }
  get drained(): Effect.Effect<void, CloseError.CloseError> {
    return this.sender.drained
  }
  get flushed(): Effect.Effect<void, CloseError.CloseError> {
    return this.sender.flushed()
  }
  ping(payload?: Uint8Array): Effect.Effect<Duration.Duration, CloseError.CloseError | SendError> {
    return attempt(this, () => {
      if (payload !== undefined) Argument.bytes("ping", payload)
      return this.keepalive.sendAwaited(payload)
    })
  }
  pong(payload?: Uint8Array): Effect.Effect<void, CloseError.CloseError | SendError> {
    return this.sender.pong(payload)
  }

  // -- closing, see `ClosingHandshake` --------------------------------------------------------------------------------

  get closed(): Effect.Effect<CloseInfo> {
    return Effect.callback((resume) => {
      if (this.isFinished) return resume(Effect.succeed(this.session.closeInfo!))
      const stop = this.onClosed((closeInfo) => resume(Effect.succeed(closeInfo)))
      return Effect.sync(stop)
    })
  }

  get closeInfo(): CloseInfo | undefined {
    return this.isFinished ? this.session.closeInfo : undefined
  }

  close(code?: number, reason?: string): Effect.Effect<CloseInfo, SendError> {
    return attempt(this, () => {
      // A fiber that waits for the end does not read meanwhile.
      const failure = this.beginClose(code, reason, Fiber.getCurrent()?.id)
      return failure === undefined ? this.closed : Effect.fail(failure)
    })
  }

  /** Closes for a program that has ended, and calls back when the connection is over. Never throws. */
  closeSync(code: number, reason: string | undefined, done: (closeInfo: CloseInfo) => void): void {
    try {
      const failure = this.beginClose(code, reason, undefined)
      if (failure !== undefined) throw failure
    } catch (defect) {
      this.onDefect(defect)
    }
    if (this.isFinished) done(this.session.closeInfo!)
    else this.onClosed(done)
  }

  private beginClose(
    code: number | undefined,
    reason: string | undefined,
    closer: number | undefined
  ): SendError | undefined {
    const failure = this.session.close(code, reason)
    if (failure !== undefined && failure._tag === "SendError") return failure
    this.receiver.closing(closer)
    this.closing.drain(undefined)
    this.advance()
    return undefined
  }

  drain(code = 1000, reason = ""): Effect.Effect<CloseInfo, SendError> {
    return attempt(this, () => {
      const misuse = checkClose(code, reason)
      if (misuse !== undefined) return Effect.fail(misuse)
      if (this.session.canReceive && !this.session.isClosing) {
        this.closing.drain({ code, reason })
        this.advance()
      }
      return this.closed
    })
  }

  /** Begins to close, and ends at once every wait for data or for the peer. What was sent is still written first. */
  detach(code: number): void {
    this.session.close(code)
    this.closing.isDetached = true
    this.closing.drain(undefined)
    this.receiver.dropAll()
    this.advance()
    this.sender.wakeAll()
    this.receiver.wake()
  }

  programEnded(): void {
    this.receiver.programEnded()
  }

  abort(why = "aborted"): Effect.Effect<void> {
    return Effect.sync(() => this.abortNow(why))
  }

  leave(why: string): void {
    this.closing.leave(why)
  }
}
