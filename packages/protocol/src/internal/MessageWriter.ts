/**
 * The sending half of a session: from messages to frames, through the extensions, in order.
 *
 * Without extensions a message becomes a frame in the calling turn. An extension may leave work to be done; what is sent
 * after it waits in a queue here, so order is kept, while control frames go past it.
 *
 * @internal
 */
import type * as CloseError from "../CloseError.ts"
import * as Extension from "../Extension.ts"
import type { FrameWriter } from "../FrameWriter.ts"
import * as Opcode from "../Opcode.ts"
import type { EncodedForm } from "../PreparedMessage.ts"

/** A piece of a message to send. @internal */
export interface OutgoingFragment {
  readonly opcode: Opcode.Opcode
  readonly payload: Uint8Array
  readonly first: boolean
  readonly last: boolean
  readonly fragmentSize: number | undefined
  readonly compress: boolean | undefined
}

/** A data frame to send as it is. @internal */
export interface RawFrame {
  readonly firstByte: number
  readonly payload: Uint8Array
  readonly key: number | undefined
}

/** A message that was encoded for many. @internal */
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

/** @internal */
export class MessageWriter {
  /** The work that an extension left to be done, while something is suspended. */
  pending: Extension.AsyncTransform | undefined = undefined
  /** Bytes of payload that wait behind pending work. */
  queuedBytes = 0

  private readonly writer: FrameWriter
  private readonly makeKey: (() => number) | undefined
  private readonly messageLevel: ReadonlyArray<Extension.Transform>
  private readonly frameLevel: ReadonlyArray<Extension.Transform>

  private current: Sending | undefined = undefined
  private queue: Array<OutgoingFragment | RawFrame | Shared | (() => void)> | undefined = undefined
  // The message whose pieces are being written: whether its first frame was, and the RSV bits that frame carries.
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

  /** Whether nothing stands between a message and the writer. */
  get isDirect(): boolean {
    return this.messageLevel.length === 0 && this.frameLevel.length === 0
  }

  /** Writes a text message in one frame. For use where {@link isDirect}. */
  writeText(text: string): void {
    this.writer.writeText(0x80 | Opcode.Text, text, this.makeKey?.())
  }

  /** Writes a frame as it is, past extensions and queue. */
  writeFrame(first: number, payload: Uint8Array, key: number | undefined = this.makeKey?.()): void {
    this.writer.writeBytes(first, payload, key)
  }

  /** Sends a piece of a message, now or behind what is pending. Returns the close that an extension fails with. */
  send(piece: OutgoingFragment): CloseError.SendableCloseError | undefined {
    if (this.current === undefined) return this.run(this.encode(piece), undefined)
    this.enqueue(piece)
    return undefined
  }

  /** Sends a data frame as it is, now or behind what is pending: it must not cut into a message. */
  sendFrame(frame: RawFrame): void {
    if (this.current === undefined) this.writeFrame(frame.firstByte, frame.payload, frame.key)
    else this.enqueue(frame)
  }

  /** Sends a message that was encoded for many, now or behind what is pending. */
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
    if (form.pending !== undefined) yield Extension.once(form.pending)
    if (form.failure === undefined) this.writer.writeEncoded(form.bytes!)
    return form.failure
  }

  /** Does something when everything that was sent before is written: at once where nothing is pending. */
  afterwards(action: () => void): void {
    if (this.current === undefined) action()
    else this.enqueue(action)
  }

  private enqueue(item: OutgoingFragment | RawFrame | Shared | (() => void)): void {
    this.queue ??= []
    this.queue.push(item)
    if (typeof item !== "function") this.queuedBytes += item.payload.length
  }

  /** Goes on after pending work; `failure` is what it came to. Returns the close that an extension fails with. */
  resume(failure: CloseError.SendableCloseError | undefined): CloseError.SendableCloseError | undefined {
    if (this.current === undefined) return undefined
    let outcome = this.run(this.current, failure)
    while (this.current === undefined && this.queue !== undefined) {
      const item = this.queue.shift()
      if (item === undefined) this.queue = undefined
      else if (typeof item === "function") item()
      else {
        this.queuedBytes -= item.payload.length
        // Behind a message that could not be encoded no other is sent; only what was to happen afterwards does.
        if (outcome !== undefined) continue
        if ("firstByte" in item) this.sendFrame(item)
        else if ("form" in item) outcome = this.sendShared(item.form, item.payload)
        else outcome = this.run(this.encode(item), undefined)
      }
    }
    return outcome
  }

  /** Drops what is pending and what waits behind it. */
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
    const failure = yield* Extension.transform(part, this.messageLevel)
    if (failure !== undefined) return failure
    if (first) {
      this.begun = false
      this.rsv = part.rsv
    }
    // An empty fragment tells the peer nothing, unless it is the one that ends the message.
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
      const failure = yield* Extension.transform(frame, this.frameLevel)
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
