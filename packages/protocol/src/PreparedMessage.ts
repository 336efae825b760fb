/**
 * A message that is encoded once and sent on many connections.
 *
 * All connections of a server with the same negotiated extensions send the same bytes: a plain frame, or the frame that
 * an extension made of it. Each form is encoded when the first connection needs it, and the other connections get the
 * same bytes. Small ones are copied into their write buffers, large ones are passed by reference. A connection that
 * cannot share, because it masks or because its compressor depends on earlier messages, encodes the message like
 * `Session.send`.
 *
 * A prepared message copies the bytes that it is made of, and its forms are never written to.
 *
 * @since 0.1.0
 */
import * as Argument from "./Argument.ts"
import type * as CloseError from "./CloseError.ts"
import type * as Extension from "./Extension.ts"
import * as FrameWriter from "./FrameWriter.ts"
import * as Message from "./Message.ts"
import * as Opcode from "./Opcode.ts"
import * as Utf8 from "./Utf8.ts"
import { transform } from "./internal/transforms.ts"
import { EncodedForm } from "./internal/EncodedForm.ts"
import type { Outcome } from "./internal/EncodedForm.ts"
import { refuse } from "./internal/refuse.ts"

/**
 * A message that is encoded once. Create one with {@link make}.
 *
 * @category models
 * @since 0.1.0
 */
export class PreparedMessage {
  readonly _tag = "PreparedMessage"
  /** The message. All connections share the bytes of a binary message: do not write to them. */
  readonly message: Message.Message
  /** @internal */
  readonly opcode: Opcode.Opcode
  /** The bytes of the message, before any extension. */
  readonly payload: Uint8Array
  private readonly plain: EncodedForm
  private forms: Map<string, EncodedForm> | undefined = undefined

  constructor(data: string | Uint8Array) {
    const isText = typeof data === "string"
    const payload = isText ? Utf8.encode(data) : Argument.isBytes(data) ? data : refuse(data)
    this.opcode = isText ? Opcode.Text : Opcode.Binary
    const frame = FrameWriter.encode({ ...bare, opcode: this.opcode, payload })
    this.payload = frame.subarray(frame.length - payload.length)
    this.message = isText ? Message.text(data) : Message.binary(this.payload)
    this.plain = new EncodedForm(frame)
  }

  /**
   * Returns the encoded form for a server's session, or `undefined` if it cannot be shared.
   *
   * @internal
   */
  form(extensions: ReadonlyArray<Extension.ExtensionInstance>, compress: boolean | undefined): EncodedForm | undefined {
    if (extensions.length === 0) return this.plain
    const key = sharedKey(extensions, compress)
    if (key === undefined) return undefined
    this.forms ??= new Map()
    let form = this.forms.get(key)
    if (form === undefined) {
      const part: Extension.MessagePart = {
        opcode: this.opcode,
        payload: this.payload,
        rsv: 0,
        first: true,
        last: true,
        limit: Infinity,
        compress
      }
      form = new EncodedForm(undefined)
      form.run(this.transformed(part, extensions))
      this.forms.set(key, form)
    }
    return form
  }

  private *transformed(
    part: Extension.MessagePart,
    extensions: ReadonlyArray<Extension.ExtensionInstance>
  ): Generator<Extension.AsyncTransform, Outcome, CloseError.SendableCloseError | undefined> {
    const encoders = [...levelOf(extensions, "message"), ...levelOf(extensions, "frame")]
    const failure = yield* transform(part, encoders)
    if (failure !== undefined) return failure
    if (part.payload === this.payload && part.rsv === 0) return this.plain.bytes!
    const [rsv1, rsv2, rsv3] = [(part.rsv & 0x40) !== 0, (part.rsv & 0x20) !== 0, (part.rsv & 0x10) !== 0]
    return FrameWriter.encode({ ...bare, rsv1, rsv2, rsv3, opcode: this.opcode, payload: part.payload })
  }
}

/**
 * Prepares a message: a string as text, bytes as binary. Returns a prepared message as it is. Throws a `TypeError` for
 * anything else.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (data: string | Uint8Array | Message.Message | PreparedMessage): PreparedMessage => {
  const content = contentOf(data)
  return content instanceof PreparedMessage ? content : new PreparedMessage(content)
}

/**
 * Returns the content of a message as `Session.send` takes it, or the prepared message itself.
 *
 * **Gotchas**
 *
 * A value without a `_tag` is returned unchecked, since the method that sends it checks it.
 *
 * @category conversions
 * @since 0.1.0
 */
export const contentOf = (
  data: string | Uint8Array | Message.Message | PreparedMessage
): string | Uint8Array | PreparedMessage => {
  if (typeof data !== "object" || data === null || !("_tag" in data)) return data
  if (data._tag === "Text" && typeof data.data === "string") return data.data
  if (data._tag === "Binary" && typeof data.data === "object") return data.data
  return isPreparedMessage(data) ? data : refuse(data)
}

/**
 * Returns whether a value is a prepared message.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPreparedMessage = (u: unknown): u is PreparedMessage => u instanceof PreparedMessage

const bare = { fin: true, rsv1: false, rsv2: false, rsv3: false } as const

// The encoded bytes can be shared if all extensions of the connection can share theirs.
const sharedKey = (
  extensions: ReadonlyArray<Extension.ExtensionInstance>,
  compress: boolean | undefined
): string | undefined => {
  let key = extensions[0]!.shared?.key
  for (let at = 1; key !== undefined && at < extensions.length; at++) {
    const next = extensions[at]!.shared?.key
    key = next === undefined ? undefined : `${key}, ${next}`
  }
  return compress === undefined || key === undefined ? key : `${key}; compress=${compress}`
}

const levelOf = (
  extensions: ReadonlyArray<Extension.ExtensionInstance>,
  level: Extension.ExtensionInstance["level"]
): ReadonlyArray<Extension.Transform> =>
  extensions.filter((extension) => extension.level === level).map((extension) => extension.shared!.encode)
