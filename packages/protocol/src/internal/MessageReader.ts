/**
 * The decoder of a session: decodes chunks into frames and checks them, and passes their payloads through the
 * extensions. `FrameRules` has the rules that bind both directions; `checkHeader` adds masks and limits. The payloads of
 * data frames go to `IncomingMessage`, which makes messages or fragments of them.
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
import * as ProtocolViolation from "../ProtocolViolation.ts"
import * as FrameRules from "./FrameRules.ts"
import { IncomingMessage } from "./IncomingMessage.ts"
import { PayloadBuffer } from "./PayloadBuffer.ts"
import type { ReadMode } from "./SessionOptions.ts"
import { transform } from "./transforms.ts"

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
const SPARES = 8
const spareParsers: Array<FrameParser> = []
const spareMessages: Array<IncomingMessage> = []

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
  // Unset between chunks that end with a message.
  private message: IncomingMessage | undefined = undefined

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
    return (this.message?.heldBytes ?? 0) + (this.frame?.heldBytes ?? 0)
  }

  // Whether a message was begun and not ended.
  private get hasMessage(): boolean {
    return this.message !== undefined && this.message.opcode !== 0
  }

  get isInMessage(): boolean {
    return this.hasMessage || this.parser !== undefined
  }

  get retainsInput(): boolean {
    return (
      this.frame?.keepsInput === true ||
      this.message?.keepsInput === true ||
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

  // Ends a chunk. Keeps the parser only in the middle of a frame, and the message only in the middle of a message.
  private needData(): typeof NeedData {
    const parser = this.parser!
    if (parser.isIdle) {
      parser.discard()
      this.parser = undefined
      if (spareParsers.length < SPARES) spareParsers.push(parser)
    }
    const { message } = this
    if (message !== undefined && message.opcode === 0) {
      this.message = undefined
      if (spareMessages.length < SPARES) spareMessages.push(message)
    }
    return NeedData
  }

  discard(): void {
    this.parser?.discard()
    this.transforming = undefined
    this.pending = undefined
    this.queue = undefined
    this.frame = undefined
    this.message = undefined
  }

  setReadMode(delivery: ReadMode): Array<SessionEvent.SessionEvent> {
    this.readMode = delivery
    const events: Array<SessionEvent.SessionEvent> = []
    const { message } = this
    if (delivery === "fragment" && message?.mode === "message" && message.opcode !== 0) {
      message.continueAsFragments(events)
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
    if (this.message!.mode === "frame" || this.frameLevel.length > 0) {
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
    const rule = this.rules.check(opcode, fin, rsv, length, this.hasMessage)
    if (rule !== undefined) {
      return ProtocolViolation.make(rule, FrameRules.describeFrame(rule, opcode, rsv, length))
    }
    if (Opcode.isControl(opcode)) return undefined
    const { maxFrameSize } = this.limits
    if (length > maxFrameSize) {
      return ProtocolViolation.make("FrameTooBig", `a frame of ${length} bytes, the limit is ${maxFrameSize}`)
    }
    if (Opcode.isReserved(opcode)) return undefined
    if (opcode !== Opcode.Continuation) {
      this.message ??= spareMessages.pop() ?? new IncomingMessage()
      this.message.begin(opcode, rsv, this.readMode)
    }
    return this.message!.addFrame(length, this.limits)
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
    const message = this.message!
    const part = this.framePart(payload, this.limits.maxMessageSize - message.size)
    const failure = yield* transform(part, this.frameLevel)
    if (failure !== undefined) return failure
    if (message.isFirst) message.rsv = part.rsv
    if (message.mode !== "frame") return yield* this.onPart(part.payload, true)
    // A compressed text is checked after decompression; other text is checked here.
    const violation = message.rsv === 0 ? message.checkText(part.payload, parser.fin) : undefined
    if (violation !== undefined) return violation
    this.events!.push({ _tag: "Frame", frame: parser.frame(part.payload, part.rsv) })
    message.isFirst = false
    if (parser.fin) message.end()
    return Continue
  }

  // Passes a part of a message through the message-level extensions.
  private *onPart(payload: Uint8Array, frameDone: boolean): Transforming {
    if (this.messageLevel.length === 0) return this.onData(payload, frameDone, this.events!)
    const { isFirst, opcode, rsv, size } = this.message!
    const part: Extension.MessagePart = {
      opcode,
      payload,
      rsv,
      first: isFirst,
      last: frameDone && this.parser!.fin,
      limit: this.limits.maxMessageSize - size,
      compress: undefined
    }
    const failure = yield* transform(part, this.messageLevel)
    return failure ?? this.onData(part.payload, frameDone, this.events!)
  }

  private onData(payload: Uint8Array, frameDone: boolean, events: Array<SessionEvent.SessionEvent>): Step {
    const message = this.message!
    const { fin, isInPayload, remaining } = this.parser!
    const last = frameDone && fin
    // How much follows is known in the last frame, unless an extension changes it.
    const following = fin && message.rsv === 0 ? remaining : 0
    const violation = message.add(payload, last, following, this.limits, this.allocate, events)
    if (violation !== undefined) return violation
    // Read mode "fragment" applies to one message.
    if (last && message.mode === "fragment" && this.readMode === "fragment") this.readMode = "message"
    return isInPayload ? NeedData : Continue
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
