/**
 * The session: one end of an open WebSocket connection as a state machine without I/O.
 *
 * The owner passes in received bytes and gets events; it passes in messages to send and takes the bytes to write from
 * `output`. The session enforces RFC 6455 sections 5 to 7, for clients and servers. The rules for a frame are in
 * `internal/FrameRules`, for both directions; `internal/MessageReader` adds those for messages that are received, and
 * `SessionState` has the states. The session has no clock, socket or fiber. Its owner writes the output, runs the
 * timers, and calls {@link Session.answerClose} when the application is done with what came before the peer's close.
 *
 * A session owns the chunks passed to it: it unmasks payloads in place, and binary messages are views into the chunk
 * that they arrived in.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Argument from "./Argument.ts"
import * as CloseCode from "./CloseCode.ts"
import * as CloseError from "./CloseError.ts"
import * as CloseFrame from "./CloseFrame.ts"
import type * as Extension from "./Extension.ts"
import type * as Frame from "./Frame.ts"
import { firstByte, FrameWriter } from "./FrameWriter.ts"
import { brokenStream, CloseRecord } from "./internal/CloseRecord.ts"
import type { CloseInfo } from "./internal/CloseRecord.ts"
import * as FrameRules from "./internal/FrameRules.ts"
import * as MessageReader from "./internal/MessageReader.ts"
import { MessageWriter } from "./internal/MessageWriter.ts"
import { OutgoingMessage } from "./internal/OutgoingMessage.ts"
import { PingTracker } from "./internal/PingTracker.ts"
import * as Limits from "./Limits.ts"
import * as Mask from "./Mask.ts"
import * as Opcode from "./Opcode.ts"
import { refuse } from "./internal/refuse.ts"
import type { SendFailure, SendOptions, SessionOptions } from "./internal/SessionOptions.ts"
import type { PreparedMessage } from "./PreparedMessage.ts"
import type { EncodedForm } from "./internal/EncodedForm.ts"
import type * as ProtocolViolation from "./ProtocolViolation.ts"
import * as SendError from "./SendError.ts"
import type * as SessionEvent from "./SessionEvent.ts"
import * as SessionState from "./SessionState.ts"
import { SlabPool } from "./Slab.ts"
import * as Utf8 from "./Utf8.ts"

export { check as checkClose } from "./CloseFrame.ts"
export type { CloseInfo } from "./internal/CloseRecord.ts"
export type { ReadMode } from "./internal/MessageReader.ts"
export type { SendFailure, SendOptions, SessionOptions } from "./internal/SessionOptions.ts"

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

  private state: SessionState.State = "Open"
  /** The role of this end. */
  readonly role: SessionState.Role
  private readonly inbound: MessageReader.MessageReader
  private readonly limits: Limits.Limits
  private readonly outbound: MessageWriter
  private readonly extensions: ReadonlyArray<Extension.ExtensionInstance>

  private readonly rules: FrameRules.FrameRules

  private closing: CloseRecord | undefined = undefined
  private outgoing: OutgoingMessage | undefined = undefined
  private pings: PingTracker | undefined = undefined
  private backedUp = false

  // Chunks that arrived while an extension was decoding an earlier one.
  private pendingChunks: Array<Uint8Array> | undefined = undefined
  private pendingEof = false

  constructor(options: SessionOptions) {
    this.role = options.role
    this.limits = Limits.make(options.limits)
    const extensions = options.extensions ?? none
    this.extensions = extensions
    const makeKey = SessionState.roles[options.role].masks ? (options.maskingKey ?? missingKeySource) : undefined
    const slabs = options.slabs ?? new SlabPool()
    this.output = new FrameWriter(slabs, options.frameCounter)
    this.rules = FrameRules.make(extensions)
    this.inbound = new MessageReader.MessageReader(options.role, this.limits, this.rules, extensions, slabs.allocate)
    this.outbound = new MessageWriter(this.output, makeKey, extensions)
  }

  /** Whether neither end has begun to close. */
  get isOpen(): boolean {
    return this.state === "Open"
  }

  /** Whether data may be sent. */
  get canSend(): boolean {
    return SessionState.canSend(this.state)
  }

  /** Whether data from the peer is still processed. */
  get canReceive(): boolean {
    return SessionState.canReceive(this.state)
  }

  /** Whether a close frame is due once the application is done with the events so far. */
  get mustAnswerClose(): boolean {
    return SessionState.owesClose(this.state)
  }

  /** Whether this end sent a close frame and waits for the peer's. */
  get isClosing(): boolean {
    return this.state === "Closing"
  }

  /** Whether nothing more is sent or received. */
  get isClosed(): boolean {
    return this.state === "Closed"
  }

  /**
   * Whether this end should close the transport now: the session is closed, and this role closes first, or it failed.
   */
  get shouldCloseTransport(): boolean {
    return (
      this.isClosed &&
      this.outbound.pending === undefined &&
      (SessionState.roles[this.role].closesStreamFirst || this.closing?.received === undefined)
    )
  }

  /** Received bytes of an incomplete message. */
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
    return this.pendingChunks !== undefined || this.inbound.retainsInput
  }

  /** How the session ends, or `undefined` before either end has begun to close. */
  get closeInfo(): CloseInfo | undefined {
    return this.closing?.info
  }

  // -- receiving -----------------------------------------------------------------------------------------------------

  /** Receives bytes from the peer and returns the events in them. The session owns the chunk from then on. */
  receive(chunk: Uint8Array): Array<SessionEvent.SessionEvent> {
    const events = emptyList()
    if (!this.canReceive) return events
    if (this.inbound.pending !== undefined) {
      this.pendingChunks ??= []
      this.pendingChunks.push(chunk)
      return events
    }
    this.inbound.feed(chunk)
    this.receiveFrom(this.inbound.next(events), events)
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
    while (this.inbound.pending === undefined && this.canReceive && this.pendingChunks !== undefined) {
      const chunk = this.pendingChunks.shift()!
      if (this.pendingChunks.length === 0) this.pendingChunks = undefined
      this.inbound.feed(chunk)
      this.receiveFrom(this.inbound.next(events), events)
    }
    if (this.pendingEof && this.inbound.pending === undefined) this.endWith("EndOfStream")
    return events
  }

  private receiveFrom(first: MessageReader.Step, events: Array<SessionEvent.SessionEvent>): void {
    const inbound = this.inbound
    for (let step = first; ; step = inbound.next(events)) {
      if (step === MessageReader.Continue) continue
      if (step === MessageReader.NeedData || step === MessageReader.Suspended) return
      if (step !== MessageReader.ControlFrame) this.failConnection(step, events)
      else if (this.onControl(inbound.controlOpcode, inbound.controlPayload, events)) continue
      // What follows a close frame, or a violation, is ignored (RFC 6455 5.5.1 and 7.1.7).
      inbound.discard()
      this.pendingChunks = undefined
      return
    }
  }

  /** Records that the peer ended its stream. This takes effect after {@link pendingDecode}. */
  receiveEnd(): void {
    if (this.inbound.pending === undefined) this.endWith("EndOfStream")
    else this.pendingEof = true
  }

  /**
   * Ends the session after a timeout or a transport error; `why` becomes the reason of the 1006. Sends nothing more.
   */
  abort(why?: string): void {
    this.endWith("Abort", why)
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

  private endWith(trigger: "EndOfStream" | "Abort", why = brokenStream): void {
    if (this.canReceive) {
      this.closing ??= new CloseRecord("transport")
      this.closing.lost(why)
      this.outbound.discard()
    }
    this.state = SessionState.next(this.state, trigger)
    this.inbound.discard()
    this.pendingChunks = undefined
    this.pendingEof = false
    // A peer that half-closes its stream after its close frame may still read messages that are being encoded.
    if (trigger === "Abort") this.outbound.discard()
  }

  /**
   * Sets how received data is delivered: as whole messages (the default), as fragments when they arrive, or as frames.
   *
   * `"fragment"` applies to one message; later ones are delivered whole again. A change takes effect at the next
   * message, with one exception: a message that is being collected switches to fragments at once, and the bytes so far
   * are returned as its first fragment.
   */
  setReadMode(delivery: MessageReader.ReadMode): Array<SessionEvent.SessionEvent> {
    return this.inbound.setReadMode(delivery)
  }

  private onControl(opcode: Opcode.Opcode, payload: Uint8Array, events: Array<SessionEvent.SessionEvent>): boolean {
    switch (opcode) {
      case Opcode.Ping: {
        // RFC 6455 5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received a Close frame"
        if (this.state === "Open") {
          // RFC 6455 5.5.3: an endpoint may answer only the newest ping. The session does so while the transport is
          // backed up.
          if (this.backedUp) this.pingTracker().delayedPong = new Uint8Array(payload)
          else this.writeControl(Opcode.Pong, payload)
        }
        events.push({ _tag: "Ping", data: payload })
        return true
      }
      case Opcode.Pong: {
        events.push({ _tag: "Pong", data: payload, ping: this.pings?.answered(payload) })
        return true
      }
      default: {
        const close = CloseFrame.decode(payload)
        if (Result.isFailure(close)) {
          this.failConnection(close.failure, events)
          return false
        }
        this.closing ??= new CloseRecord("remote")
        this.closing.received = close.success
        this.state = SessionState.next(this.state, "ReceiveClose")
        events.push({ _tag: "CloseReceived", code: close.success.code, reason: close.success.reason })
        return false
      }
    }
  }

  private failConnection(
    violation: ProtocolViolation.ProtocolViolation | CloseError.SendableCloseError,
    events: Array<SessionEvent.SessionEvent>
  ): void {
    const error = violation._tag === "ProtocolViolation" ? violationError(violation) : violation
    // A close code that was sent stands. A later violation of the peer only ends the wait for its close frame.
    this.closing ??= new CloseRecord("local", error)
    this.closing.failed = true
    if (violation._tag === "ProtocolViolation") this.closing.violation = violation
    this.state = SessionState.next(this.state, "Violation")
    events.push({ _tag: "Failed", error, violation: this.closing.violation })
  }

  /**
   * Sends the close frame that is due after the peer's close, or after a violation. Otherwise does nothing.
   *
   * The owner calls it when the application is done with everything that came before.
   */
  answerClose(): void {
    if (this.state === "Answering") {
      // RFC 6455 5.5.1: "the endpoint typically echos the status code it received"; the session echoes the reason too
      this.writeClose(this.closing!.received!)
    } else if (this.state === "Failing") {
      const { code, reason } = this.closing!.error
      // RFC 6455 7.1.7: "an endpoint MUST NOT continue to attempt to process data"; the close frame says why
      this.writeClose({ code, reason })
    }
  }

  /** Fails the connection for a local reason, such as a keepalive timeout. Sends the close frame at once. */
  fail(error: CloseError.SendableCloseError): void {
    this.failOnEncodeError(error)
  }

  // -- sending -------------------------------------------------------------------------------------------------------

  /** Sends a message: a string as text, bytes as binary. */
  send(data: string | Uint8Array, options?: SendOptions): SendFailure | undefined {
    if (typeof data !== "string" && !Argument.isBytes(data)) refuse(data)
    checkSendOptions(options)
    if (!this.canSend) return this.closing!.error
    if (this.outgoing !== undefined) return SendError.make("InterruptedMessage", "sending a message")
    const isText = typeof data === "string"
    const opcode = isText ? Opcode.Text : Opcode.Binary
    if (this.outbound.isDirect && options?.fragmentSize === undefined) {
      if (isText) this.outbound.writeText(data)
      else this.outbound.writeFrame(0x80 | opcode, data)
      return undefined
    }
    return this.sendPiece(opcode, isText ? Utf8.encode(data) : data, true, true, options)
  }

  /**
   * Sends a prepared message. The peer receives the same message as from {@link send}; if this session cannot share the
   * encoded bytes, it encodes the message itself.
   */
  sendPrepared(prepared: PreparedMessage, options?: SendOptions): SendFailure | undefined {
    checkSendOptions(options)
    if (!this.canSend) return this.closing!.error
    if (this.outgoing !== undefined) return SendError.make("InterruptedMessage", "sending a message")
    const { opcode, payload } = prepared
    const form = this.sharedForm(prepared, options)
    return form === undefined
      ? this.sendPiece(opcode, payload, true, true, options)
      : this.failOnEncodeError(this.outbound.sendShared(form, payload))
  }

  /**
   * The shared transform that must finish before {@link sendPrepared} can write this message at once. Starting it once
   * is enough for all connections.
   */
  pendingPrepare(prepared: PreparedMessage, options?: SendOptions): Extension.AsyncTransform | undefined {
    return this.canSend ? this.sharedForm(prepared, options)?.pending : undefined
  }

  private sharedForm(prepared: PreparedMessage, options: SendOptions | undefined): EncodedForm | undefined {
    // RFC 6455 5.3: "the client MUST pick a fresh masking key" for each frame, so no two frames have the same bytes.
    if (SessionState.roles[this.role].masks || options?.fragmentSize !== undefined) return undefined
    return prepared.form(this.extensions, options?.compress)
  }

  private sendPiece(
    opcode: Opcode.Opcode,
    payload: Uint8Array,
    first: boolean,
    last: boolean,
    options: SendOptions | undefined
  ): SendFailure | undefined {
    const fragmentSize = options?.fragmentSize
    return this.failOnEncodeError(
      this.outbound.send({ opcode, payload, first, last, fragmentSize, compress: options?.compress })
    )
  }

  // A message that cannot be encoded cannot be sent, nor can any later one: closes with the code of the extension.
  private failOnEncodeError(failure: CloseError.SendableCloseError | undefined): SendFailure | undefined {
    if (failure === undefined) return undefined
    if (!this.canSend) return failure
    this.closing ??= new CloseRecord("local", failure)
    this.closing.failed = true
    this.outbound.discard()
    this.inbound.discard()
    this.pendingChunks = undefined
    if (this.state === "Open") {
      this.state = SessionState.next(this.state, "Violation")
    }
    if (this.state === "Answering") this.writeClose({ code: failure.code, reason: failure.reason })
    else this.answerClose()
    return failure
  }

  /**
   * The transform that an extension must finish before more is encoded. Start it, and call {@link resumeSend} when it
   * is done. What is sent until then is queued and counted in {@link queuedBytes}.
   */
  get pendingEncode(): Extension.AsyncTransform | undefined {
    return this.outbound.pending
  }

  /** Bytes of payload queued behind {@link pendingEncode}. */
  get queuedBytes(): number {
    return this.outbound.queuedBytes
  }

  /** Resumes sending after {@link pendingEncode}. */
  resumeSend(failure?: CloseError.SendableCloseError): SendFailure | undefined {
    return this.failOnEncodeError(this.outbound.resume(failure))
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
    if (typeof data !== "string") Argument.bytes("piece of a message", data)
    checkSendOptions(options)
    if (!this.canSend) return this.closing!.error
    const first = this.outgoing === undefined
    this.outgoing ??= new OutgoingMessage(type === "Text" ? Opcode.Text : Opcode.Binary, false)
    const message = this.outgoing
    if (message.isRaw) return SendError.make("InterruptedMessage", "sending a piece of a message")
    const payload = typeof data === "string" ? Utf8.encode(message.wholeCharacters(data, last)) : data
    const failure = this.sendPiece(message.opcode, payload, first, last, options)
    if (last || failure !== undefined) this.outgoing = undefined
    return failure
  }

  /** Whether {@link sendFragment} has begun a message and not ended it. */
  get isSendingMessage(): boolean {
    return this.outgoing !== undefined
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
    checkFields(frame)
    if (!this.canSend) return this.closing!.error
    const { maskingKey, opcode, payload } = frame
    const isUnchecked = options?.unchecked === true
    const mayMask = isUnchecked || SessionState.roles[this.role].masks
    const key = mayMask && maskingKey !== undefined ? Mask.keyFromBytes(maskingKey) : undefined
    if (isUnchecked) {
      this.outbound.writeFrame(firstByte(frame), payload, key)
      return undefined
    }
    const broken = this.checkFrame(frame)
    if (broken !== undefined) return broken
    if (opcode === Opcode.Close) {
      const close = CloseFrame.decode(payload)
      if (Result.isFailure(close)) return SendError.make(close.failure.rule, `sending ${close.failure.received}`)
      this.recordClose(close.success)
      this.outbound.afterwards(() => this.outbound.writeFrame(firstByte(frame), payload, key))
    } else if (Opcode.isControl(opcode) || Opcode.isReserved(opcode)) {
      this.outbound.writeFrame(firstByte(frame), payload, key)
    } else {
      if (frame.fin) this.outgoing = undefined
      else this.outgoing ??= new OutgoingMessage(opcode, true)
      this.outbound.sendFrame({ firstByte: firstByte(frame), payload, key })
    }
    return undefined
  }

  private checkFrame(frame: Frame.Frame): SendError.SendError | undefined {
    const { fin, opcode, payload } = frame
    const rsv = firstByte(frame) & 0x70
    const broken = this.rules.check(opcode, fin, rsv, payload.length, this.outgoing !== undefined)
    const isOfOther = opcode === Opcode.Continuation && this.outgoing?.isRaw === false
    const rule = broken ?? (isOfOther ? "InterruptedMessage" : undefined)
    if (rule === undefined) return undefined
    return SendError.make(rule, `sending ${FrameRules.describeFrame(rule, opcode, rsv, payload.length)}`)
  }

  /**
   * Sends a ping and returns its number, which the event of its pong carries. Without a payload, the number is the
   * payload.
   *
   * While the transport is backed up, only the newest ping is kept. It is sent when the transport drains, and its pong
   * answers the earlier ones too (RFC 6455 5.5.3).
   */
  ping(payload?: Uint8Array): number | SendFailure {
    if (payload !== undefined) Argument.bytes("ping", payload)
    if (this.state !== "Open") return this.closing!.error
    const pings = this.pingTracker()
    const data = pings.payloadOf(payload)
    if (data.length > 125) return SendError.make("ControlFrameTooLong", `a ping with ${data.length} bytes`)
    if (this.backedUp) pings.delayedPing = data
    else this.writeControl(Opcode.Ping, data)
    return pings.sent(data, this.limits.maxPendingPings)
  }

  /** Sends an unsolicited pong, a heartbeat in one direction (RFC 6455 5.5.3). */
  pong(payload: Uint8Array): SendFailure | undefined {
    Argument.bytes("pong", payload)
    if (this.state !== "Open") return this.closing!.error
    if (payload.length > 125) return SendError.make("ControlFrameTooLong", `a pong with ${payload.length} bytes`)
    this.writeControl(Opcode.Pong, payload)
    return undefined
  }

  private pingTracker(): PingTracker {
    return (this.pings ??= new PingTracker())
  }

  /**
   * Records whether the transport is backed up. While it is, only the newest ping and the newest pong are kept.
   * `setBackedUp(false)` writes them to `output`, behind what is there: an owner that has taken that data before can
   * send them ahead of it.
   */
  setBackedUp(backedUp: boolean): void {
    this.backedUp = backedUp
    if (!backedUp) this.writeDelayed()
  }

  private writeDelayed(): void {
    const pings = this.pings
    if (pings === undefined) return
    const { delayedPing, delayedPong } = pings
    pings.delayedPing = undefined
    pings.delayedPong = undefined
    if (delayedPong !== undefined && this.canSend) this.writeControl(Opcode.Pong, delayedPong)
    if (delayedPing !== undefined && this.state === "Open") this.writeControl(Opcode.Ping, delayedPing)
  }

  /** Starts the closing handshake, or answers the peer's close with `code`. */
  close(code: number = CloseCode.registered.NormalClosure, reason = ""): SendFailure | undefined {
    const broken = CloseFrame.check(code, reason)
    if (!this.canSend) return this.closing!.error
    if (broken !== undefined) return broken
    if (this.state === "Failing") this.answerClose()
    else this.writeClose({ code, reason })
    return undefined
  }

  private writeClose(close: CloseFrame.CloseFrame): void {
    this.recordClose(close)
    // Queued messages that are still being encoded are sent first.
    this.outbound.afterwards(() => this.writeControl(Opcode.Close, CloseFrame.encode(close.code, close.reason)))
  }

  private recordClose(close: CloseFrame.CloseFrame): void {
    this.writeDelayed()
    this.closing ??= new CloseRecord("local")
    this.closing.sent = close
    this.outgoing = undefined
    this.state = SessionState.next(this.state, "SendClose")
  }

  private writeControl(opcode: Opcode.Opcode, payload: Uint8Array): void {
    this.outbound.writeFrame(0x80 | opcode, payload)
  }
}

const checkSendOptions = (options: SendOptions | undefined): void => {
  if (options?.fragmentSize !== undefined) Argument.limit("fragmentSize", options.fragmentSize, 1)
}

const checkFields = (frame: Frame.Frame): void => {
  if (typeof frame !== "object" || frame === null) throw Argument.mismatch("frame", "a frame", frame)
  Argument.integer("frame opcode", frame.opcode, 0, 15)
  Argument.bytes("frame payload", frame.payload)
  if (frame.maskingKey !== undefined) Argument.bytes("frame masking key", frame.maskingKey)
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
