/**
 * The encoder of a session: encodes messages into frames, through the extensions, in order. `SessionSender` decides
 * before whether a message may be sent.
 *
 * Without extensions a message is encoded in the calling turn. An extension may need longer. Later messages then wait
 * in a queue here, so order is kept, while control frames go ahead of them.
 */
import type * as CloseError from "../CloseError.ts"
import type * as Extension from "../Extension.ts"
import type { FrameWriter } from "../FrameWriter.ts"
import * as Opcode from "../Opcode.ts"
import type { EncodedForm } from "./EncodedForm.ts"
import { once, transform } from "./transforms.ts"

/** A fragment of a message to send. */
export interface OutgoingFragment {
  readonly opcode: Opcode.Opcode
  readonly payload: Uint8Array
  readonly first: boolean
  readonly last: boolean
  readonly fragmentSize: number | undefined
  readonly compress: boolean | undefined
}

/** A data frame to send as it is. */
export interface RawFrame {
  readonly firstByte: number
  readonly payload: Uint8Array
  readonly key: number | undefined
}

/** A prepared message to send in a shared form. */
export interface Shared {
  readonly form: EncodedForm
  readonly payload: Uint8Array
}

type Sending = Generator<
  Extension.AsyncTransform,
  CloseError.SendableCloseError | undefined,
  CloseError.SendableCloseError | undefined
>

const none: ReadonlyArray<never> = []

/** Sends the frames of this end. */
export class MessageWriter {
  /** The pending transform, while a message is suspended. */
  pending: Extension.AsyncTransform | undefined = undefined
  /** Bytes of payload in the queue behind the pending transform. */
  queuedBytes = 0

  private readonly writer: FrameWriter
  private readonly makeKey: (() => number) | undefined
  private readonly messageLevel: ReadonlyArray<Extension.Transform>
  private readonly frameLevel: ReadonlyArray<Extension.Transform>

  private current: Sending | undefined = undefined
  private queue: Array<OutgoingFragment | RawFrame | Shared | (() => void)> | undefined = undefined
  // Whether the first frame of the current message was written, and the RSV bits that it carries.
  private begun = false
  private rsv = 0

  constructor(
    writer: FrameWriter,
    makeKey: (() => number) | undefined,
    extensions: ReadonlyArray<Extension.ExtensionInstance>
  ) {
    this.writer = writer
    this.makeKey = makeKey
    this.messageLevel = extensions.length === 0 ? none : encoders(extensions, "message")
    this.frameLevel = extensions.length === 0 ? none : encoders(extensions, "frame")
  }

  /** Whether this end masks its frames, as a client does. */
  get masks(): boolean {
    return this.makeKey !== undefined
  }

  /** Whether messages go to the writer without extensions. */
  get isDirect(): boolean {
    return this.messageLevel.length === 0 && this.frameLevel.length === 0
  }

  /** Writes a text message in one frame. Use it only if {@link isDirect}. */
  writeText(text: string): void {
    this.writer.writeText(0x80 | Opcode.Text, text, this.makeKey?.())
  }

  /** Writes a frame as it is, past extensions and queue. */
  writeFrame(first: number, payload: Uint8Array, key: number | undefined = this.makeKey?.()): void {
    this.writer.writeBytes(first, payload, key)
  }

  /** Sends a fragment, or queues it. Returns the close error of an extension that failed. */
  send(piece: OutgoingFragment): CloseError.SendableCloseError | undefined {
    if (this.current === undefined) return this.run(this.encode(piece), undefined)
    this.enqueue(piece)
    return undefined
  }

  /** Sends a data frame as it is, or queues it, so that it does not split a message. */
  sendFrame(frame: RawFrame): void {
    if (this.current === undefined) this.writeFrame(frame.firstByte, frame.payload, frame.key)
    else this.enqueue(frame)
  }

  /** Sends a shared form, or queues it. Returns the close error of an extension that failed. */
  sendShared(form: EncodedForm, payload: Uint8Array): CloseError.SendableCloseError | undefined {
    if (this.current !== undefined) {
      this.enqueue({ form, payload })
      return undefined
    }
    if (form.bytes === undefined) return this.run(this.await(form), undefined)
    this.writer.writeEncoded(form.bytes)
    return undefined
  }

  private *await(form: EncodedForm): Sending {
    if (form.pending !== undefined) yield once(form.pending)
    if (form.failure === undefined) this.writer.writeEncoded(form.bytes!)
    return form.failure
  }

  /** Runs an action after everything sent before it is written: at once if nothing is pending. */
  afterwards(action: () => void): void {
    if (this.current === undefined) action()
    else this.enqueue(action)
  }

  private enqueue(item: OutgoingFragment | RawFrame | Shared | (() => void)): void {
    this.queue ??= []
    this.queue.push(item)
    if (typeof item !== "function") this.queuedBytes += item.payload.length
  }

  /**
   * Resumes after the pending transform; `failure` is its failure. Returns the close error of an extension that failed.
   */
  resume(failure: CloseError.SendableCloseError | undefined): CloseError.SendableCloseError | undefined {
    if (this.current === undefined) return undefined
    let outcome = this.run(this.current, failure)
    while (this.current === undefined && this.queue !== undefined) {
      const item = this.queue.shift()
      if (item === undefined) this.queue = undefined
      else if (typeof item === "function") item()
      else {
        this.queuedBytes -= item.payload.length
        // After a message that could not be encoded no other is sent; the actions still run.
        if (outcome !== undefined) continue
        if ("firstByte" in item) this.sendFrame(item)
        else if ("form" in item) outcome = this.sendShared(item.form, item.payload)
        else outcome = this.run(this.encode(item), undefined)
      }
    }
    return outcome
  }

  /** Drops the pending transform and the queue. */
  discard(): void {
    this.current = undefined
    this.pending = undefined
    this.queue = undefined
    this.queuedBytes = 0
  }

  private run(
    sending: Sending,
    failure: CloseError.SendableCloseError | undefined
  ): CloseError.SendableCloseError | undefined {
    const step = sending.next(failure)
    this.current = step.done === true ? undefined : sending
    this.pending = step.done === true ? undefined : step.value
    return step.done === true ? step.value : undefined
  }

  private *encode(piece: OutgoingFragment): Sending {
    const { compress, first, last, opcode, payload } = piece
    const part: Extension.MessagePart = { opcode, payload, rsv: 0, first, last, limit: Infinity, compress }
    const failure = yield* transform(part, this.messageLevel)
    if (failure !== undefined) return failure
    if (first) {
      this.begun = false
      this.rsv = part.rsv
    }
    // An empty fragment is not sent, unless it ends the message.
    if (part.payload.length === 0 && !last) return undefined
    const size = piece.fragmentSize ?? Infinity
    let at = 0
    do {
      const end = Math.min(at + size, part.payload.length)
      const fin = last && end === part.payload.length
      const frame: Extension.MessagePart = {
        opcode: this.begun ? Opcode.Continuation : opcode,
        payload: part.payload.subarray(at, end),
        rsv: this.begun ? 0 : this.rsv,
        first: true,
        last: true,
        limit: Infinity,
        compress
      }
      const failure = yield* transform(frame, this.frameLevel)
      if (failure !== undefined) return failure
      this.writeFrame((fin ? 0x80 : 0) | frame.rsv | frame.opcode, frame.payload)
      this.begun = true
      at = end
    } while (at < part.payload.length)
    return undefined
  }
}

const encoders = (
  extensions: ReadonlyArray<Extension.ExtensionInstance>,
  level: Extension.ExtensionInstance["level"]
): ReadonlyArray<Extension.Transform> =>
  extensions.filter((extension) => extension.level === level).map((extension) => extension.encode)
