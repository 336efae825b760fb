/**
 * What one end of a session sends: decides whether a message, a frame, a ping or a close may be sent now, and writes it.
 * `MessageWriter` encodes messages, and `Lifecycle` has the state.
 */
import * as Result from "effect/Result"
import * as Argument from "../Argument.ts"
import type * as CloseError from "../CloseError.ts"
import * as CloseFrame from "../CloseFrame.ts"
import type * as Extension from "../Extension.ts"
import type * as Frame from "../Frame.ts"
import { firstByte } from "../FrameWriter.ts"
import type * as Limits from "../Limits.ts"
import * as Mask from "../Mask.ts"
import * as Opcode from "../Opcode.ts"
import type { PreparedMessage } from "../PreparedMessage.ts"
import * as SendError from "../SendError.ts"
import * as Utf8 from "../Utf8.ts"
import type { EncodedForm } from "./EncodedForm.ts"
import * as FrameRules from "./FrameRules.ts"
import type { Lifecycle } from "./Lifecycle.ts"
import type { MessageReader } from "./MessageReader.ts"
import type { MessageWriter } from "./MessageWriter.ts"
import { OutgoingMessage } from "./OutgoingMessage.ts"
import { PingTracker } from "./PingTracker.ts"
import { refuse } from "./refuse.ts"
import type { SendFailure, SendOptions } from "./SessionOptions.ts"

/** Sends for one session. Its methods do what the methods of `Session` with the same names say. */
export class SessionSender {
  private readonly lifecycle: Lifecycle
  private readonly writer: MessageWriter
  private readonly inbound: MessageReader
  private readonly extensions: ReadonlyArray<Extension.ExtensionInstance>
  private readonly rules: FrameRules.FrameRules
  private readonly limits: Limits.Limits
  // The message that is being sent in several calls.
  private outgoing: OutgoingMessage | undefined = undefined
  private pings: PingTracker | undefined = undefined
  private isWritable = true

  constructor(
    lifecycle: Lifecycle,
    writer: MessageWriter,
    inbound: MessageReader,
    extensions: ReadonlyArray<Extension.ExtensionInstance>,
    rules: FrameRules.FrameRules,
    limits: Limits.Limits
  ) {
    this.lifecycle = lifecycle
    this.writer = writer
    this.inbound = inbound
    this.extensions = extensions
    this.rules = rules
    this.limits = limits
  }

  // The reason that nothing can be sent, once nothing can.
  private get closeError(): CloseError.CloseError {
    return this.lifecycle.close!.error
  }

  // -- messages ------------------------------------------------------------------------------------------------------

  get isSendingMessage(): boolean {
    return this.outgoing !== undefined
  }

  send(data: string | Uint8Array, options: SendOptions | undefined): SendFailure | undefined {
    if (typeof data !== "string" && !Argument.isBytes(data)) refuse(data)
    const refused = this.checkMessage(options)
    if (refused !== undefined) return refused
    const isText = typeof data === "string"
    const opcode = isText ? Opcode.Text : Opcode.Binary
    if (this.writer.isDirect && options?.fragmentSize === undefined) {
      if (isText) this.writer.writeText(data)
      else this.writer.writeFrame(0x80 | opcode, data)
      return undefined
    }
    return this.encode(opcode, isText ? Utf8.encode(data) : data, true, true, options)
  }

  sendPrepared(prepared: PreparedMessage, options: SendOptions | undefined): SendFailure | undefined {
    const refused = this.checkMessage(options)
    if (refused !== undefined) return refused
    const { opcode, payload } = prepared
    const form = this.sharedForm(prepared, options)
    return form === undefined
      ? this.encode(opcode, payload, true, true, options)
      : this.failOn(this.writer.sendShared(form, payload))
  }

  private checkMessage(options: SendOptions | undefined): SendFailure | undefined {
    checkSendOptions(options)
    if (!this.lifecycle.canSend) return this.closeError
    return this.outgoing === undefined ? undefined : SendError.make("InterruptedMessage", "sending a message")
  }

  pendingPrepare(prepared: PreparedMessage, options: SendOptions | undefined): Extension.AsyncTransform | undefined {
    return this.lifecycle.canSend ? this.sharedForm(prepared, options)?.pending : undefined
  }

  private sharedForm(prepared: PreparedMessage, options: SendOptions | undefined): EncodedForm | undefined {
    // RFC 6455 5.3: "the client MUST pick a fresh masking key" for each frame, so no two frames have the same bytes.
    if (this.writer.masks || options?.fragmentSize !== undefined) return undefined
    return prepared.form(this.extensions, options?.compress)
  }

  sendFragment(
    type: "Text" | "Binary",
    data: string | Uint8Array,
    last: boolean,
    options: SendOptions | undefined
  ): SendFailure | undefined {
    if (typeof data !== "string") Argument.bytes("piece of a message", data)
    checkSendOptions(options)
    if (!this.lifecycle.canSend) return this.closeError
    const first = this.outgoing === undefined
    this.outgoing ??= new OutgoingMessage(type === "Text" ? Opcode.Text : Opcode.Binary, false)
    const message = this.outgoing
    if (message.isRaw) return SendError.make("InterruptedMessage", "sending a piece of a message")
    const payload = typeof data === "string" ? Utf8.encode(message.wholeCharacters(data, last)) : data
    const failure = this.encode(message.opcode, payload, first, last, options)
    if (last || failure !== undefined) this.outgoing = undefined
    return failure
  }

  private encode(
    opcode: Opcode.Opcode,
    payload: Uint8Array,
    first: boolean,
    last: boolean,
    options: SendOptions | undefined
  ): SendFailure | undefined {
    const fragmentSize = options?.fragmentSize
    return this.failOn(this.writer.send({ opcode, payload, first, last, fragmentSize, compress: options?.compress }))
  }

  resume(failure: CloseError.SendableCloseError | undefined): SendFailure | undefined {
    return this.failOn(this.writer.resume(failure))
  }

  // -- frames --------------------------------------------------------------------------------------------------------

  sendFrame(frame: Frame.Frame, isUnchecked: boolean): SendFailure | undefined {
    checkFields(frame)
    if (!this.lifecycle.canSend) return this.closeError
    const { maskingKey, opcode, payload } = frame
    const mayMask = isUnchecked || this.writer.masks
    const key = mayMask && maskingKey !== undefined ? Mask.keyFromBytes(maskingKey) : undefined
    const first = firstByte(frame)
    if (isUnchecked) {
      this.writer.writeFrame(first, payload, key)
      return undefined
    }
    const broken = this.checkFrame(frame, first & 0x70)
    if (broken !== undefined) return broken
    if (opcode === Opcode.Close) {
      const close = CloseFrame.decode(payload)
      if (Result.isFailure(close)) return SendError.make(close.failure.rule, `sending ${close.failure.received}`)
      this.recordClose(close.success)
      this.writer.afterwards(() => this.writer.writeFrame(first, payload, key))
    } else if (Opcode.isControl(opcode) || Opcode.isReserved(opcode)) {
      this.writer.writeFrame(first, payload, key)
    } else {
      if (frame.fin) this.outgoing = undefined
      else this.outgoing ??= new OutgoingMessage(opcode, true)
      this.writer.sendFrame({ firstByte: first, payload, key })
    }
    return undefined
  }

  private checkFrame(frame: Frame.Frame, rsv: number): SendError.SendError | undefined {
    const { fin, opcode, payload } = frame
    const broken = this.rules.check(opcode, fin, rsv, payload.length, this.isSendingMessage)
    const isOfOther = opcode === Opcode.Continuation && this.outgoing?.isRaw === false
    const rule = broken ?? (isOfOther ? "InterruptedMessage" : undefined)
    if (rule === undefined) return undefined
    return SendError.make(rule, `sending ${FrameRules.describeFrame(rule, opcode, rsv, payload.length)}`)
  }

  // -- pings and pongs -----------------------------------------------------------------------------------------------

  ping(payload: Uint8Array | undefined): number | SendFailure {
    if (payload !== undefined) Argument.bytes("ping", payload)
    if (this.lifecycle.state !== "Open") return this.closeError
    const pings = this.pingTracker()
    const data = pings.payloadOf(payload)
    const broken = this.checkControl(Opcode.Ping, data, "a ping")
    if (broken !== undefined) return broken
    if (!this.isWritable) pings.delayedPing = data
    else this.writeControl(Opcode.Ping, data)
    return pings.sent(data, this.limits.maxPendingPings)
  }

  pong(payload: Uint8Array): SendFailure | undefined {
    Argument.bytes("pong", payload)
    if (this.lifecycle.state !== "Open") return this.closeError
    const broken = this.checkControl(Opcode.Pong, payload, "a pong")
    if (broken === undefined) this.writeControl(Opcode.Pong, payload)
    return broken
  }

  /** Answers a ping of the peer. */
  answerPing(payload: Uint8Array): void {
    // RFC 6455 5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received a Close frame"
    if (this.lifecycle.state !== "Open") return
    // RFC 6455 5.5.3: an endpoint may answer only the newest ping. The session does so while the transport is backed
    // up.
    if (!this.isWritable) this.pingTracker().delayedPong = new Uint8Array(payload)
    else this.writeControl(Opcode.Pong, payload)
  }

  /** Returns the number of the newest ping that a pong of the peer answers. */
  answeredPing(payload: Uint8Array): number | undefined {
    return this.pings?.answered(payload)
  }

  private pingTracker(): PingTracker {
    return (this.pings ??= new PingTracker())
  }

  setWritable(isWritable: boolean): void {
    this.isWritable = isWritable
    if (isWritable) this.writeDelayed()
  }

  private writeDelayed(): void {
    const pings = this.pings
    if (pings === undefined) return
    const { delayedPing, delayedPong } = pings
    pings.delayedPing = undefined
    pings.delayedPong = undefined
    if (delayedPong !== undefined && this.lifecycle.canSend) this.writeControl(Opcode.Pong, delayedPong)
    if (delayedPing !== undefined && this.lifecycle.state === "Open") this.writeControl(Opcode.Ping, delayedPing)
  }

  private checkControl(opcode: Opcode.Opcode, payload: Uint8Array, name: string): SendError.SendError | undefined {
    const rule = this.rules.check(opcode, true, 0, payload.length, false)
    return rule === undefined ? undefined : SendError.make(rule, `${name} with ${payload.length} bytes`)
  }

  private writeControl(opcode: Opcode.Opcode, payload: Uint8Array): void {
    this.writer.writeFrame(0x80 | opcode, payload)
  }

  // -- closing -------------------------------------------------------------------------------------------------------

  close(code: number, reason: string): SendFailure | undefined {
    const broken = CloseFrame.check(code, reason)
    if (!this.lifecycle.canSend) return this.closeError
    if (broken !== undefined) return broken
    if (this.lifecycle.state === "Failing") this.answerClose()
    else this.writeClose({ code, reason })
    return undefined
  }

  answerClose(): void {
    const { close, state } = this.lifecycle
    if (state === "Answering") {
      // RFC 6455 5.5.1: "the endpoint typically echos the status code it received"; the session echoes the reason too
      this.writeClose(close!.received!)
    } else if (state === "Failing") {
      const { code, reason } = close!.error
      // RFC 6455 7.1.7: "an endpoint MUST NOT continue to attempt to process data"; the close frame says why
      this.writeClose({ code, reason })
    }
  }

  /**
   * Fails the connection, if there is a failure, and sends the close frame at once. A message that cannot be encoded
   * cannot be sent, nor can any later one, so the connection closes with the code of the extension.
   */
  failOn(failure: CloseError.SendableCloseError | undefined): SendFailure | undefined {
    if (failure === undefined) return undefined
    if (!this.lifecycle.canSend) return failure
    this.lifecycle.fail(failure)
    this.writer.discard()
    // RFC 6455 7.1.7: what the peer still sends is not processed.
    this.inbound.discard()
    if (this.lifecycle.state === "Answering") this.writeClose({ code: failure.code, reason: failure.reason })
    else this.answerClose()
    return failure
  }

  private writeClose(close: CloseFrame.CloseFrame): void {
    this.recordClose(close)
    // Queued messages that are still being encoded are sent first.
    this.writer.afterwards(() => this.writeControl(Opcode.Close, CloseFrame.encode(close.code, close.reason)))
  }

  private recordClose(close: CloseFrame.CloseFrame): void {
    this.writeDelayed()
    this.outgoing = undefined
    this.lifecycle.sendClose(close)
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
