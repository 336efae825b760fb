/**
 * The session: one end of an open WebSocket connection as a state machine without I/O.
 *
 * The owner passes in received bytes and gets events; it passes in messages to send and takes the bytes to write from
 * `output`. The session enforces RFC 6455 sections 5 to 7, for clients and servers. `internal/MessageReader` decodes and
 * checks what is received, and `internal/SessionSender` checks and encodes what is sent. Both use the rules for frames in
 * `internal/FrameRules` and the state in `internal/Lifecycle`. The session has no clock, socket or fiber. Its owner
 * writes the output, runs the timers, and calls {@link Session.answerClose} when the application is done with what came
 * before the peer's close.
 *
 * A session owns the chunks passed to it: it unmasks payloads in place, and binary messages are views into the chunk
 * that they arrived in.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as CloseCode from "./CloseCode.ts"
import * as CloseError from "./CloseError.ts"
import * as CloseFrame from "./CloseFrame.ts"
import type * as Extension from "./Extension.ts"
import type * as Frame from "./Frame.ts"
import { FrameWriter } from "./FrameWriter.ts"
import type { CloseInfo } from "./internal/CloseRecord.ts"
import * as FrameRules from "./internal/FrameRules.ts"
import { Lifecycle } from "./internal/Lifecycle.ts"
import * as MessageReader from "./internal/MessageReader.ts"
import { MessageWriter } from "./internal/MessageWriter.ts"
import type { ReadMode, SendFailure, SendOptions, SessionOptions } from "./internal/SessionOptions.ts"
import { SessionSender } from "./internal/SessionSender.ts"
import * as Limits from "./Limits.ts"
import * as Opcode from "./Opcode.ts"
import type { PreparedMessage } from "./PreparedMessage.ts"
import type * as ProtocolViolation from "./ProtocolViolation.ts"
import type * as SessionEvent from "./SessionEvent.ts"
import * as SessionState from "./SessionState.ts"
import { SlabPool } from "./Slab.ts"

export { check as checkClose } from "./CloseFrame.ts"
export type { CloseInfo } from "./internal/CloseRecord.ts"
export type { ReadMode, SendFailure, SendOptions, SessionOptions } from "./internal/SessionOptions.ts"

/**
 * One end of an open WebSocket connection.
 *
 * **Details**
 *
 * `receive`, `receiveEnd` and `setReadMode` return events. `send*`, `ping`, `pong` and `close` return the reason that
 * nothing was sent, or `undefined`. After each call, `output` holds the bytes to write. A value of the wrong type
 * throws before anything else happens, see `Argument`.
 *
 * @category models
 * @since 0.1.0
 */
export class Session {
  /** The bytes to write to the transport. */
  readonly output: FrameWriter

  /** The role of this end. */
  readonly role: SessionState.Role
  private readonly extensions: ReadonlyArray<Extension.ExtensionInstance>
  private readonly lifecycle = new Lifecycle()
  private readonly inbound: MessageReader.MessageReader
  private readonly writer: MessageWriter
  private readonly outbound: SessionSender

  // Whether the peer's stream ended while an extension was decoding.
  private pendingEof = false

  constructor(options: SessionOptions) {
    this.role = options.role
    const limits = Limits.make(options.limits)
    const extensions = options.extensions ?? none
    this.extensions = extensions
    const makeKey = SessionState.roles[options.role].masks ? (options.maskingKey ?? missingKeySource) : undefined
    const slabs = options.slabs ?? new SlabPool()
    const rules = FrameRules.make(extensions)
    this.output = new FrameWriter(slabs, options.frameCounter)
    this.inbound = new MessageReader.MessageReader(options.role, limits, rules, extensions, slabs.allocate)
    this.writer = new MessageWriter(this.output, makeKey, extensions)
    this.outbound = new SessionSender(this.lifecycle, this.writer, this.inbound, extensions, rules, limits)
  }

  /** Whether neither end has begun to close. */
  get isOpen(): boolean {
    return this.lifecycle.state === "Open"
  }

  /** Whether data may be sent. */
  get canSend(): boolean {
    return this.lifecycle.canSend
  }

  /** Whether data from the peer is still processed. */
  get canReceive(): boolean {
    return this.lifecycle.canReceive
  }

  /** Whether a close frame is due once the application is done with the events so far. */
  get mustAnswerClose(): boolean {
    return SessionState.owesClose(this.lifecycle.state)
  }

  /** Whether this end sent a close frame and waits for the peer's. */
  get isClosing(): boolean {
    return this.lifecycle.state === "Closing"
  }

  /** Whether nothing more is sent or received. */
  get isClosed(): boolean {
    return this.lifecycle.state === "Closed"
  }

  /**
   * Whether this end should close the transport now: the session is closed, and this role closes first, or it failed.
   */
  get shouldCloseTransport(): boolean {
    return (
      this.isClosed &&
      this.writer.pending === undefined &&
      (SessionState.roles[this.role].closesStreamFirst || this.lifecycle.close?.received === undefined)
    )
  }

  /** Bytes that an incomplete message holds: those that arrived, and at most an eighth more, or 16 KiB. */
  get bufferedBytes(): number {
    return this.inbound.bufferedBytes
  }

  /** Whether the peer has begun a frame or a message that is not complete. */
  get isReceivingMessage(): boolean {
    return this.canReceive && this.inbound.isInMessage
  }

  /** A counter that changes whenever a part of a message is received. It wraps around. */
  get receivedParts(): number {
    return this.inbound.parts
  }

  /** Whether the session refers to received chunks, apart from the events that it returned. */
  get retainsInput(): boolean {
    return this.inbound.retainsInput
  }

  /** How the session ends, or `undefined` before either end has begun to close. */
  get closeInfo(): CloseInfo | undefined {
    return this.lifecycle.close?.info
  }

  // -- receiving -----------------------------------------------------------------------------------------------------

  /** Receives bytes from the peer and returns the events in them. The session owns the chunk from then on. */
  receive(chunk: Uint8Array): Array<SessionEvent.SessionEvent> {
    const events = emptyList()
    if (!this.canReceive) return events
    this.inbound.feed(chunk)
    if (this.inbound.pending === undefined) this.receiveFrom(this.inbound.next(events), events)
    return events
  }

  /**
   * The transform that an extension must finish before more can be received. Start it, and call {@link resumeReceive}
   * when it is done. The session queues what is received until then, so stop reading.
   */
  get pendingDecode(): Extension.AsyncTransform | undefined {
    return this.inbound.pending
  }

  /** Resumes receiving after {@link pendingDecode}. */
  resumeReceive(failure?: CloseError.SendableCloseError): Array<SessionEvent.SessionEvent> {
    const events: Array<SessionEvent.SessionEvent> = []
    if (!this.canReceive || this.inbound.pending === undefined) return events
    this.receiveFrom(this.inbound.resume(failure, events), events)
    if (this.pendingEof && this.inbound.pending === undefined) this.end("EndOfStream")
    return events
  }

  private receiveFrom(first: MessageReader.Step, events: Array<SessionEvent.SessionEvent>): void {
    const inbound = this.inbound
    for (let step = first; ; step = inbound.next(events)) {
      if (step === MessageReader.Continue || (step === MessageReader.NeedData && inbound.feedQueued())) continue
      if (step === MessageReader.NeedData || step === MessageReader.Suspended) return
      if (step !== MessageReader.ControlFrame) this.failConnection(step, events)
      else if (this.onControl(inbound.controlOpcode, inbound.controlPayload, events)) continue
      // What follows a close frame, or a violation, is ignored (RFC 6455 5.5.1 and 7.1.7).
      inbound.discard()
      return
    }
  }

  /** Records that the peer ended its stream. This takes effect after {@link pendingDecode}. */
  receiveEnd(): void {
    if (this.inbound.pending === undefined) this.end("EndOfStream")
    else this.pendingEof = true
  }

  /**
   * Ends the session after a timeout or a transport error; `why` becomes the reason of the 1006. Sends nothing more.
   */
  abort(why?: string): void {
    this.end("Abort", why)
  }

  private end(trigger: "EndOfStream" | "Abort", why?: string): void {
    // A peer that half-closes its stream after its close frame may still read messages that are being encoded.
    if (this.canReceive || trigger === "Abort") this.writer.discard()
    this.inbound.discard()
    this.lifecycle.end(trigger, why)
  }

  /**
   * Releases the extensions. The owner calls it once, when the session is closed. If an extension throws, the others
   * are still released, and the defect is rethrown.
   */
  release(): void {
    let failure: { readonly defect: unknown } | undefined
    for (const extension of this.extensions) {
      try {
        extension.close?.()
      } catch (defect) {
        failure = { defect }
      }
    }
    if (failure !== undefined) throw failure.defect
  }

  /**
   * Sets how received data is delivered: as whole messages (the default), as fragments when they arrive, or as frames.
   *
   * `"fragment"` applies to one message; later ones are delivered whole again. A change takes effect at the next
   * message, with one exception: a message that is being collected switches to fragments at once, and the bytes so far
   * are returned as its first fragment.
   */
  setReadMode(delivery: ReadMode): Array<SessionEvent.SessionEvent> {
    return this.inbound.setReadMode(delivery)
  }

  private onControl(opcode: Opcode.Opcode, payload: Uint8Array, events: Array<SessionEvent.SessionEvent>): boolean {
    switch (opcode) {
      case Opcode.Ping: {
        this.outbound.answerPing(payload)
        events.push({ _tag: "Ping", data: payload })
        return true
      }
      case Opcode.Pong: {
        events.push({ _tag: "Pong", data: payload, ping: this.outbound.answeredPing(payload) })
        return true
      }
      default: {
        const close = CloseFrame.decode(payload)
        if (Result.isFailure(close)) this.failConnection(close.failure, events)
        else {
          const { code, reason } = close.success
          this.lifecycle.receiveClose(close.success)
          events.push({ _tag: "CloseReceived", code, reason })
        }
        return false
      }
    }
  }

  private failConnection(
    violation: ProtocolViolation.ProtocolViolation | CloseError.SendableCloseError,
    events: Array<SessionEvent.SessionEvent>
  ): void {
    const isViolation = violation._tag === "ProtocolViolation"
    const error = isViolation ? violationError(violation) : violation
    const close = this.lifecycle.fail(error, isViolation ? violation : undefined)
    events.push({ _tag: "Failed", error, violation: close.violation })
  }

  /**
   * Sends the close frame that is due after the peer's close, or after a violation. Otherwise does nothing.
   *
   * The owner calls it when the application is done with everything that came before.
   */
  answerClose(): void {
    this.outbound.answerClose()
  }

  /** Fails the connection for a local reason, such as a keepalive timeout. Sends the close frame at once. */
  fail(error: CloseError.SendableCloseError): void {
    this.outbound.failOn(error)
  }

  // -- sending -------------------------------------------------------------------------------------------------------

  /** Sends a message: a string as text, bytes as binary. */
  send(data: string | Uint8Array, options?: SendOptions): SendFailure | undefined {
    return this.outbound.send(data, options)
  }

  /**
   * Sends a prepared message. The peer receives the same message as from {@link send}; if this session cannot share the
   * encoded bytes, it encodes the message itself.
   */
  sendPrepared(prepared: PreparedMessage, options?: SendOptions): SendFailure | undefined {
    return this.outbound.sendPrepared(prepared, options)
  }

  /**
   * The shared transform that must finish before {@link sendPrepared} can write this message at once. Starting it once
   * is enough for all connections.
   */
  pendingPrepare(prepared: PreparedMessage, options?: SendOptions): Extension.AsyncTransform | undefined {
    return this.outbound.pendingPrepare(prepared, options)
  }

  /**
   * The transform that an extension must finish before more is encoded. Start it, and call {@link resumeSend} when it
   * is done. What is sent until then is queued and counted in {@link queuedBytes}.
   */
  get pendingEncode(): Extension.AsyncTransform | undefined {
    return this.writer.pending
  }

  /** Bytes of payload queued behind {@link pendingEncode}. */
  get queuedBytes(): number {
    return this.writer.queuedBytes
  }

  /** Resumes sending after {@link pendingEncode}. */
  resumeSend(failure?: CloseError.SendableCloseError): SendFailure | undefined {
    return this.outbound.resume(failure)
  }

  /**
   * Sends one fragment of a message. `type` is the type of the message; only the first fragment uses it.
   *
   * A fragment of text may end between the halves of a surrogate pair; the next one must complete it. The fragments of
   * one message are all strings or all bytes.
   */
  sendFragment(
    type: "Text" | "Binary",
    data: string | Uint8Array,
    last: boolean,
    options?: SendOptions
  ): SendFailure | undefined {
    return this.outbound.sendFragment(type, data, last, options)
  }

  /** Whether {@link sendFragment} has begun a message and not ended it. */
  get isSendingMessage(): boolean {
    return this.outbound.isSendingMessage
  }

  /**
   * Sends a frame as it is, past the extensions. A client's frame without a masking key gets one, and a server's frame
   * loses its key, so that received frames can be forwarded.
   *
   * Refuses a frame that would make this end break RFC 6455; only the validity of UTF-8 is left to the caller. A close
   * frame starts or answers the closing handshake like {@link close}.
   *
   * `unchecked` writes any frame, for tests and tools: a server's frame keeps its masking key, and the session does not
   * take note of a close frame or of the beginning of a message.
   */
  sendFrame(frame: Frame.Frame, options?: { readonly unchecked?: boolean | undefined }): SendFailure | undefined {
    return this.outbound.sendFrame(frame, options?.unchecked === true)
  }

  /**
   * Sends a ping and returns its number, which the event of its pong carries. Without a payload, the number is the
   * payload.
   *
   * While the transport is backed up, only the newest ping is kept. It is sent when the transport drains, and its pong
   * answers the earlier ones too (RFC 6455 5.5.3).
   */
  ping(payload?: Uint8Array): number | SendFailure {
    return this.outbound.ping(payload)
  }

  /** Sends an unsolicited pong, a heartbeat in one direction (RFC 6455 5.5.3). */
  pong(payload: Uint8Array): SendFailure | undefined {
    return this.outbound.pong(payload)
  }

  /**
   * Records whether the transport takes data without delay. While it does not, the session keeps only the newest ping
   * and the newest pong. `setWritable(true)` writes them to `output`, behind the data that is there. An owner that takes
   * that data first can send them ahead of it.
   */
  setWritable(isWritable: boolean): void {
    this.outbound.setWritable(isWritable)
  }

  /** Starts the closing handshake, or answers the peer's close with `code`. */
  close(code: number = CloseCode.registered.NormalClosure, reason = ""): SendFailure | undefined {
    return this.outbound.close(code, reason)
  }
}

const violationError = (
  violation: ProtocolViolation.ProtocolViolation
): CloseError.CloseError & CloseError.SendableCloseError =>
  CloseError.fromCode(violation.closeCode, violation.message) as CloseError.SendableCloseError

// An empty list with room for one event, which is what most chunks hold; the first push to `[]` makes room for 17.
const emptyList = (): Array<SessionEvent.SessionEvent> => {
  const list: Array<SessionEvent.SessionEvent> = [placeholder]
  list.pop()
  return list
}

const placeholder: SessionEvent.SessionEvent = { _tag: "Text", data: "" }

const none: ReadonlyArray<Extension.ExtensionInstance> = []

const missingKeySource = (): number => {
  throw new Error("a client's session needs a source of masking keys: option maskingKey")
}
