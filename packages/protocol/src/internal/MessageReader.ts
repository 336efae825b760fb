/**
 * The decoder of a session: decodes chunks into messages, fragments or frames, and checks them. `FrameRules` has the
 * rules that bind both directions; `checkHeader` adds masks and limits.
 *
 * It adds data events itself. Complete control frames go to the session, which decides on their answers.
 */
import type * as CloseError from "../CloseError.ts"
import type * as SessionEvent from "../SessionEvent.ts"
import type * as Extension from "../Extension.ts"
import { FrameParser } from "../FrameParser.ts"
import type * as Limits from "../Limits.ts"
import * as Opcode from "../Opcode.ts"
import * as SessionState from "../SessionState.ts"
import * as Utf8 from "../Utf8.ts"
import * as ProtocolViolation from "../ProtocolViolation.ts"
import * as FrameRules from "./FrameRules.ts"
import { PayloadBuffer } from "./PayloadBuffer.ts"
import { transform } from "./transforms.ts"

/**
 * How received data is delivered: as whole messages, as fragments of one message, or as frames.
 *
 * Frames are delivered as they are on the wire, before message-level extensions.
 *
 * @category models
 * @since 0.1.0
 */
export type ReadMode = "message" | "fragment" | "frame"

/** A step was done, and another may follow. */
export const Continue = 0
/** The chunk is used up. */
export const NeedData = 1
/** A control frame is complete, in `controlOpcode` and `controlPayload`. */
export const ControlFrame = 2

/** An extension has a pending transform, in `pending`. Continue with `resume`. */
export const Suspended = 3

/** The outcome of {@link MessageReader.next}. */
export type Step =
  | typeof Continue
  | typeof NeedData
  | typeof ControlFrame
  | typeof Suspended
  | ProtocolViolation.ProtocolViolation
  | CloseError.SendableCloseError

type Transforming = Generator<Extension.AsyncTransform, Step, CloseError.SendableCloseError | undefined>

// About as many as there are connections that are in the middle of a chunk at the same time.
const SPARE_PARSERS = 8
const spareParsers: Array<FrameParser> = []

const noBytes = new Uint8Array(0)
const none: ReadonlyArray<never> = []

/** Receives the frames of a peer. */
export class MessageReader {
  controlOpcode: Opcode.Opcode = 0
  controlPayload: Uint8Array = noBytes

  // Unset between chunks that end with a frame, so that an idle connection holds no parser.
  private parser: FrameParser | undefined = undefined
  private readonly expectsMask: boolean
  private readonly limits: Limits.Limits
  private readonly allocate: (size: number) => Uint8Array
  private readonly rules: FrameRules.FrameRules
  private readonly messageLevel: ReadonlyArray<Extension.Transform>
  private readonly frameLevel: ReadonlyArray<Extension.Transform>

  /** Counts received parts of messages. It wraps around. */
  parts = 0

  private transforming: Transforming | undefined = undefined
  // The events of the current call. A suspended step resumes in a later call, which has other events.
  private events: Array<SessionEvent.SessionEvent> | undefined = undefined
  /** The pending transform of a suspended step. */
  pending: Extension.AsyncTransform | undefined = undefined
  // Chunks that arrived since then.
  private queue: Array<Uint8Array> | undefined = undefined

  // Collects a frame that spans chunks and must be complete before it is processed: a control frame, or a data frame of
  // some connections.
  private frame: PayloadBuffer | undefined = undefined

  private readMode: ReadMode = "message"
  // The message in progress; `opcode` is 0 if there is none.
  private opcode: Opcode.Opcode = 0
  private rsv = 0
  private fragments = 0
  private wireSize = 0
  private size = 0
  private isFirst = false
  private current: ReadMode = "message"
  private collected: PayloadBuffer | undefined = undefined
  private validator: Utf8.Validator | undefined = undefined
  private text: TextDecoder | undefined = undefined

  constructor(
    role: SessionState.Role,
    limits: Limits.Limits,
    rules: FrameRules.FrameRules,
    extensions: ReadonlyArray<Extension.ExtensionInstance>,
    allocate: (size: number) => Uint8Array
  ) {
    this.expectsMask = !SessionState.roles[role].masks
    this.limits = limits
    this.allocate = allocate
    this.rules = rules
    this.messageLevel = extensions.length === 0 ? none : decoders(extensions, "message")
    this.frameLevel = extensions.length === 0 ? none : decoders(extensions, "frame")
  }

  get bufferedBytes(): number {
    return (this.collected?.heldBytes ?? 0) + (this.frame?.heldBytes ?? 0)
  }

  get isInMessage(): boolean {
    return this.opcode !== 0 || this.parser !== undefined
  }

  get retainsInput(): boolean {
    return (
      this.frame?.keepsInput === true ||
      this.collected?.keepsInput === true ||
      this.transforming !== undefined ||
      (this.parser !== undefined && this.parser.hasInput)
    )
  }

  /** Receives a chunk. Queues it while a step is suspended. */
  feed(chunk: Uint8Array): void {
    if (this.pending !== undefined) {
      this.queue ??= []
      this.queue.push(chunk)
      return
    }
    this.parser ??= spareParsers.pop() ?? new FrameParser()
    this.parser.feed(chunk)
  }

  /** Receives the next queued chunk. Returns whether there was one. */
  feedQueued(): boolean {
    if (this.queue === undefined) return false
    this.feed(this.queue.shift()!)
    if (this.queue.length === 0) this.queue = undefined
    return true
  }

  // Ends a chunk. Keeps the parser only in the middle of a frame.
  private needData(): typeof NeedData {
    const parser = this.parser!
    if (parser.isIdle) {
      parser.discard()
      this.parser = undefined
      if (spareParsers.length < SPARE_PARSERS) spareParsers.push(parser)
    }
    return NeedData
  }

  discard(): void {
    this.parser?.discard()
    this.transforming = undefined
    this.pending = undefined
    this.queue = undefined
    this.frame = undefined
    this.collected = undefined
  }

  setReadMode(delivery: ReadMode): Array<SessionEvent.SessionEvent> {
    this.readMode = delivery
    const events: Array<SessionEvent.SessionEvent> = []
    if (delivery === "fragment" && this.current === "message" && this.opcode !== 0) {
      this.current = "fragment"
      const collected = this.collected
      this.collected = undefined
      // What was collected so far is the first fragment.
      if (collected !== undefined) this.deliverFragment(collected.take(), true, false, events)
    }
    return events
  }

  next(events: Array<SessionEvent.SessionEvent>): Step {
    const parser = this.parser
    if (parser === undefined) return NeedData
    if (!parser.isInPayload) {
      const header = parser.readHeader()
      if (header === false) return this.needData()
      const violation = header === true ? this.checkHeader() : header
      if (violation !== undefined) return violation
    }
    const part = parser.readPart()
    if (part === undefined) return NeedData
    if (Opcode.isReserved(parser.opcode)) {
      const payload = this.assemblePayload(part)
      return payload === undefined ? NeedData : this.run(this.onExtensionFrame(payload), events)
    }
    if (Opcode.isControl(parser.opcode)) {
      const payload = this.assemblePayload(part)
      if (payload === undefined) return NeedData
      this.controlOpcode = parser.opcode
      this.controlPayload = payload
      return ControlFrame
    }
    this.parts = (this.parts + 1) | 0
    if (this.current === "frame" || this.frameLevel.length > 0) {
      const payload = this.assemblePayload(part)
      return payload === undefined ? NeedData : this.run(this.onFrame(payload), events)
    }
    return this.messageLevel.length > 0
      ? this.run(this.onPart(part, !parser.isInPayload), events)
      : this.onData(part, !parser.isInPayload, events)
  }

  /** Resumes a suspended step; `failure` is that of its transform. */
  resume(failure: CloseError.SendableCloseError | undefined, events: Array<SessionEvent.SessionEvent>): Step {
    return this.run(this.transforming!, events, failure)
  }

  private run(
    transforming: Transforming,
    events: Array<SessionEvent.SessionEvent>,
    failure?: CloseError.SendableCloseError
  ): Step {
    this.events = events
    const step = transforming.next(failure)
    this.events = undefined
    this.transforming = step.done === true ? undefined : transforming
    this.pending = step.done === true ? undefined : step.value
    return step.done === true ? step.value : Suspended
  }

  // Returns the payload when it is complete, and collects it until then.
  private assemblePayload(part: Uint8Array): Uint8Array | undefined {
    const parser = this.parser!
    if (this.frame === undefined && !parser.isInPayload) return part
    this.frame ??= new PayloadBuffer(this.allocate)
    this.frame.append(part, parser.remaining)
    if (parser.isInPayload) return undefined
    const payload = this.frame.take()
    this.frame = undefined
    return payload
  }

  private checkHeader(): ProtocolViolation.ProtocolViolation | undefined {
    const { fin, length, masked, opcode, rsv } = this.parser!
    if (masked !== this.expectsMask) {
      // RFC 6455 5.1: "The server MUST close the connection upon receiving a frame that is not masked."
      // RFC 6455 5.1: "A client MUST close a connection if it detects a masked frame."
      return this.expectsMask
        ? ProtocolViolation.make("UnmaskedClientFrame", "a frame without a mask")
        : ProtocolViolation.make("MaskedServerFrame", "a masked frame")
    }
    const rule = this.rules.check(opcode, fin, rsv, length, this.opcode !== 0)
    if (rule !== undefined) {
      return ProtocolViolation.make(rule, FrameRules.describeFrame(rule, opcode, rsv, length))
    }
    if (Opcode.isControl(opcode)) return undefined
    if (Opcode.isReserved(opcode)) return this.checkFrameSize(length)
    if (opcode === Opcode.Continuation) this.fragments++
    else this.beginMessage(opcode, rsv)
    return this.checkSize(length)
  }

  private beginMessage(opcode: Opcode.Opcode, rsv: number): void {
    this.opcode = opcode
    this.rsv = rsv
    this.fragments = 1
    this.wireSize = 0
    this.size = 0
    this.isFirst = true
    this.current = this.readMode
  }

  private checkSize(length: number): ProtocolViolation.ProtocolViolation | undefined {
    const frameTooBig = this.checkFrameSize(length)
    if (frameTooBig !== undefined) return frameTooBig
    const { maxFragments, maxMessageSize } = this.limits
    if (this.fragments > maxFragments) {
      return ProtocolViolation.make("TooManyFragments", `more than ${maxFragments} fragments`)
    }
    this.wireSize += length
    // A message with RSV bits may expand: its size is checked after the extensions.
    return this.rsv === 0 && this.wireSize > maxMessageSize ? this.tooBig(this.wireSize) : undefined
  }

  private checkFrameSize(length: number): ProtocolViolation.ProtocolViolation | undefined {
    const { maxFrameSize } = this.limits
    return length > maxFrameSize
      ? ProtocolViolation.make("FrameTooBig", `a frame of ${length} bytes, the limit is ${maxFrameSize}`)
      : undefined
  }

  private tooBig(size: number): ProtocolViolation.ProtocolViolation {
    return ProtocolViolation.make(
      "MessageTooBig",
      `a message of ${size} bytes or more, the limit is ${this.limits.maxMessageSize}`
    )
  }

  private framePart(payload: Uint8Array, limit: number): Extension.MessagePart {
    const { opcode, rsv } = this.parser!
    return { opcode, payload, rsv, first: true, last: true, limit, compress: undefined }
  }

  // Decodes a whole frame with a reserved opcode that an extension claims.
  private *onExtensionFrame(payload: Uint8Array): Transforming {
    const part = this.framePart(payload, this.limits.maxMessageSize)
    const failure = yield* transform(part, this.frameLevel)
    if (failure !== undefined) return failure
    this.events!.push({ _tag: "Frame", frame: this.parser!.frame(part.payload, part.rsv) })
    return Continue
  }

  // Decodes a whole data frame, if frames are delivered or an extension works on frames.
  private *onFrame(payload: Uint8Array): Transforming {
    const parser = this.parser!
    const part = this.framePart(payload, this.limits.maxMessageSize - this.size)
    const failure = yield* transform(part, this.frameLevel)
    if (failure !== undefined) return failure
    if (this.isFirst) this.rsv = part.rsv
    if (this.current !== "frame") return yield* this.onPart(part.payload, true)
    // A compressed text is checked after decompression; other text is checked here.
    const violation = this.rsv === 0 ? this.checkText(part.payload, parser.fin) : undefined
    if (violation !== undefined) return violation
    this.events!.push({ _tag: "Frame", frame: parser.frame(part.payload, part.rsv) })
    this.isFirst = false
    if (parser.fin) this.opcode = 0
    return Continue
  }

  // Passes a part of a message through the message-level extensions.
  private *onPart(payload: Uint8Array, frameDone: boolean): Transforming {
    if (this.messageLevel.length === 0) return this.onData(payload, frameDone, this.events!)
    const part: Extension.MessagePart = {
      opcode: this.opcode,
      payload,
      rsv: this.rsv,
      first: this.isFirst,
      last: frameDone && this.parser!.fin,
      limit: this.limits.maxMessageSize - this.size,
      compress: undefined
    }
    const failure = yield* transform(part, this.messageLevel)
    return failure ?? this.onData(part.payload, frameDone, this.events!)
  }

  private onData(payload: Uint8Array, frameDone: boolean, events: Array<SessionEvent.SessionEvent>): Step {
    const last = frameDone && this.parser!.fin
    const first = this.isFirst
    this.isFirst = false
    this.size += payload.length
    if (this.size > this.limits.maxMessageSize) return this.tooBig(this.size)
    const isFragment = this.current === "fragment"
    // The common case: a message in one frame in one chunk.
    if (first && last && !isFragment) return this.deliverMessage(payload, events)
    const violation = this.checkText(payload, last)
    if (violation !== undefined) return violation
    if (isFragment) {
      this.deliverFragment(payload, first, last, events)
      if (last) {
        this.opcode = 0
        // Read mode "fragment" applies to one message.
        if (this.readMode === "fragment") this.readMode = "message"
      }
    } else {
      this.collected ??= new PayloadBuffer(this.allocate)
      const { fin, remaining } = this.parser!
      // How much follows is known in the last frame, unless an extension changes it.
      this.collected.append(payload, fin && this.rsv === 0 ? remaining : 0)
      if (last) {
        const whole = this.collected.take()
        this.collected = undefined
        return this.deliverMessage(whole, events)
      }
    }
    return this.parser!.isInPayload ? NeedData : Continue
  }

  // RFC 6455 8.1: invalid UTF-8 fails the connection. The check fails at the first byte that no UTF-8 can have there.
  private checkText(payload: Uint8Array, last: boolean): ProtocolViolation.ProtocolViolation | undefined {
    if (this.opcode !== Opcode.Text) return undefined
    this.validator ??= new Utf8.Validator()
    const at = this.validator.push(payload)
    if (at >= 0)
      return ProtocolViolation.make("InvalidUtf8", `byte 0x${payload[at]!.toString(16).padStart(2, "0")} in a text`)
    const isComplete = this.validator.isComplete
    if (last) this.validator = undefined
    return last && !isComplete
      ? ProtocolViolation.make("InvalidUtf8", "a text that ends in the middle of a character")
      : undefined
  }

  private deliverMessage(payload: Uint8Array, events: Array<SessionEvent.SessionEvent>): Step {
    const opcode = this.opcode
    this.opcode = 0
    if (opcode === Opcode.Binary) {
      events.push({ _tag: "Binary", data: payload })
      return Continue
    }
    const data = Utf8.decode(payload)
    if (data === undefined) return ProtocolViolation.make("InvalidUtf8", "a text with bytes that are not UTF-8")
    events.push({ _tag: "Text", data })
    return Continue
  }

  private deliverFragment(
    payload: Uint8Array,
    first: boolean,
    last: boolean,
    events: Array<SessionEvent.SessionEvent>
  ): void {
    if (this.opcode === Opcode.Binary) {
      events.push({ _tag: "Fragment", type: "Binary", data: payload, first, last })
      return
    }
    // The decoder keeps the bytes of a character that the next fragment completes.
    this.text ??= new TextDecoder("utf-8", { ignoreBOM: true })
    events.push({ _tag: "Fragment", type: "Text", data: this.text.decode(payload, { stream: !last }), first, last })
  }
}

// Decoding undoes the encoders of the peer, last one first, so the order of the handshake is reversed.
const decoders = (
  extensions: ReadonlyArray<Extension.ExtensionInstance>,
  level: Extension.ExtensionInstance["level"]
): ReadonlyArray<Extension.Transform> =>
  extensions
    .filter((extension) => extension.level === level)
    .map((extension) => extension.decode)
    .reverse()
