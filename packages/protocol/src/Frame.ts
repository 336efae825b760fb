/**
 * A frame: the unit of the byte stream (RFC 6455 5.2).
 *
 * A frame is plain data, with a constructor for each opcode. Tests and tools can set every field. Programs that
 * exchange messages do not need frames. `FrameParser` and `FrameWriter` convert frames from and to bytes, and
 * `FrameCodec` has both as Schemas.
 *
 * @since 0.1.0
 */
import * as Argument from "./Argument.ts"
import * as Opcode from "./Opcode.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * A frame as data: header fields and the unmasked payload. A `maskingKey` says that the payload is masked on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  readonly fin: boolean
  readonly rsv1: boolean
  readonly rsv2: boolean
  readonly rsv3: boolean
  readonly opcode: Opcode.Opcode
  readonly maskingKey?: Uint8Array
  readonly payload: Uint8Array
}

/**
 * The fields of a frame besides opcode and payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface FrameOptions {
  /** Whether this is the last fragment of its message. Default: true. */
  readonly fin?: boolean | undefined
  /** The first reserved bit. Default: false. */
  readonly rsv1?: boolean | undefined
  /** The second reserved bit. Default: false. */
  readonly rsv2?: boolean | undefined
  /** The third reserved bit. Default: false. */
  readonly rsv3?: boolean | undefined
  /** Four bytes to mask the payload with on the wire. Default: none, the frame is not masked. */
  readonly maskingKey?: Uint8Array | undefined
}

/**
 * Creates a frame from an opcode and a payload; text is encoded as UTF-8.
 *
 * **Details**
 *
 * Checks nothing. A frame that breaks RFC 6455 can be created; a receiver refuses it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  opcode: Opcode.Opcode,
  payload: Uint8Array | string = new Uint8Array(0),
  options?: FrameOptions
): Frame => {
  const frame = {
    fin: options?.fin ?? true,
    rsv1: options?.rsv1 ?? false,
    rsv2: options?.rsv2 ?? false,
    rsv3: options?.rsv3 ?? false,
    opcode,
    payload: typeof payload === "string" ? Utf8.encode(payload) : payload
  }
  return options?.maskingKey === undefined ? frame : { ...frame, maskingKey: options.maskingKey }
}

/**
 * Creates a text frame.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (payload: string, options?: FrameOptions): Frame => make(Opcode.Text, payload, options)

/**
 * Creates a binary frame.
 *
 * @category constructors
 * @since 0.1.0
 */
export const binary = (payload: Uint8Array, options?: FrameOptions): Frame => make(Opcode.Binary, payload, options)

/**
 * Creates a frame that continues a message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const continuation = (payload: Uint8Array | string, options?: FrameOptions): Frame =>
  make(Opcode.Continuation, payload, options)

/**
 * Creates a ping.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ping = (payload?: Uint8Array | string, options?: FrameOptions): Frame =>
  make(Opcode.Ping, payload, options)

/**
 * Creates a pong.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pong = (payload?: Uint8Array | string, options?: FrameOptions): Frame =>
  make(Opcode.Pong, payload, options)

/**
 * Creates a close frame from a payload, such as one of `CloseFrame.encode`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const close = (payload?: Uint8Array, options?: FrameOptions): Frame => make(Opcode.Close, payload, options)

/**
 * Splits a data frame into frames of at most `size` bytes of payload. RSV bits stay on the first, FIN moves to the
 * last.
 *
 * **Details**
 *
 * Returns control frames and frames that fit unchanged, since RFC 6455 5.5 forbids fragmented control frames. The
 * payloads are views into the original. Every fragment keeps the masking key. Throws a `RangeError` for a `size` below
 * 1.
 *
 * @category combinators
 * @since 0.1.0
 */
export const fragment = (self: Frame, size: number): ReadonlyArray<Frame> => {
  const step = Argument.limit("size", size, 1)
  if (Opcode.isControl(self.opcode) || self.payload.length <= step) return [self]
  const frames: Array<Frame> = []
  for (let at = 0; at < self.payload.length; at += step) {
    const first = at === 0
    const last = at + step >= self.payload.length
    frames.push({
      ...self,
      fin: last && self.fin,
      rsv1: first && self.rsv1,
      rsv2: first && self.rsv2,
      rsv3: first && self.rsv3,
      opcode: first ? self.opcode : Opcode.Continuation,
      payload: self.payload.subarray(at, at + step)
    })
  }
  return frames
}

/**
 * Renders a frame as one line for logs: `TEXT fin "hello" [5 bytes]`, `PING fin 01 02 [2 bytes, masked]`.
 *
 * **Details**
 *
 * Shows the first 32 bytes of the payload. Quotes text and escapes control characters, so that the output is one line.
 *
 * @category formatting
 * @since 0.1.0
 */
export const render = (self: Frame): string => {
  const flags = [
    self.fin ? "fin" : "more",
    self.rsv1 ? "rsv1" : "",
    self.rsv2 ? "rsv2" : "",
    self.rsv3 ? "rsv3" : ""
  ].filter((flag) => flag !== "")
  const size = `${self.payload.length} ${self.payload.length === 1 ? "byte" : "bytes"}`
  const masked = self.maskingKey === undefined ? "" : ", masked"
  return `${Opcode.name(self.opcode)} ${flags.join(" ")} ${renderPayload(self)}[${size}${masked}]`
}

const shown = 32

const renderPayload = (self: Frame): string => {
  if (self.payload.length === 0) return ""
  const cut = self.payload.length > shown ? "... " : " "
  if (self.opcode === Opcode.Text && !self.rsv1) {
    // Leaves out an incomplete character at the end of the excerpt: up to three bytes.
    for (let end = Math.min(shown, self.payload.length), tries = 0; tries < 4 && end > 0; end--, tries++) {
      const text = Utf8.decode(self.payload.subarray(0, end))
      if (text !== undefined) return `${quote(text)}${cut}`
    }
  }
  const bytes = Array.from(self.payload.subarray(0, shown), (byte) => byte.toString(16).padStart(2, "0"))
  return `${bytes.join(" ")}${cut}`
}

// JSON does not escape DEL, the C1 controls and two line separators, but terminals and log readers act on them.
const quote = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
