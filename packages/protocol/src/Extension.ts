/**
 * The interface between a session and its extensions on an open connection.
 *
 * Package `extensions` negotiates extensions. After the handshake, each accepted one is an {@link ExtensionInstance}:
 * the RSV bits and opcodes that it claims, and functions that transform message parts in place. A message-level
 * extension sees the parts of a message before they are split into frames. A frame-level extension sees each data frame
 * as it is on the wire.
 *
 * @since 0.1.0
 */
import type * as CloseError from "./CloseError.ts"
import type * as Opcode from "./Opcode.ts"

/**
 * A part of a message, or a frame, on its way through the extensions. They change `payload` and `rsv` in place.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessagePart {
  /** The opcode of the message (or, at frame level, of the frame). */
  readonly opcode: Opcode.Opcode
  /** The bytes. An extension may replace them; it must not write to them. */
  payload: Uint8Array
  /** The RSV bits of the message's first frame, as bits of its first byte: 0x40, 0x20, 0x10. */
  rsv: number
  /** Whether this part begins its message. Always true at frame level. */
  readonly first: boolean
  /** Whether this part ends its message. Always true at frame level. */
  readonly last: boolean
  /** Incoming: maximum bytes of `payload` after the transform. Outgoing: not used. */
  readonly limit: number
  /** Outgoing: the sender's `compress` option; `undefined` leaves the choice to the extension. */
  readonly compress: boolean | undefined
}

/**
 * A transform that does not finish in this turn, such as compressing a long payload on another thread.
 *
 * The owner of the session calls `start`; further calls have no effect. When the part is changed, or the transform has
 * failed, `done` is called once and asynchronously, with nothing or with the close error to fail with. Until then no
 * later part in the same direction is transformed, so order is kept. After the session is released, `done` may never be
 * called, and the owner need not wait for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncTransform {
  readonly _tag: "Pending"
  readonly start: (done: (failure?: CloseError.SendableCloseError) => void) => void
}

/**
 * A transform of message parts. It changes the part in place and returns nothing, returns the close error to fail with,
 * or returns an {@link AsyncTransform}.
 *
 * @category models
 * @since 0.1.0
 */
export type Transform = (part: MessagePart) => void | CloseError.SendableCloseError | AsyncTransform

/**
 * An encoder whose output depends neither on the connection nor on earlier messages, so that connections can share it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedEncoder {
  /**
   * Instances with the same key encode a message to the same bytes. Must be unique among the extensions of the process.
   */
  readonly key: string
  /**
   * Encodes a whole, unfragmented message, like `ExtensionInstance.encode`. It belongs to no connection: it continues
   * after the connection that started it has closed, and several messages may be encoded at once.
   */
  readonly encode: Transform
}

/**
 * One extension on one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExtensionInstance {
  /** The negotiated name. */
  readonly name: string
  /** The RSV bits that it claims: any of 0x40, 0x20 and 0x10. */
  readonly rsv: number
  /** The reserved opcodes that it claims. Frames with them are passed to its frame transform. */
  readonly opcodes: ReadonlyArray<Opcode.Opcode>
  /** Whether it transforms whole messages, before fragmentation, or each data frame. */
  readonly level: "message" | "frame"
  /** Transforms received parts. */
  readonly decode: Transform
  /** Transforms parts to send. */
  readonly encode: Transform
  /** Encoder that connections can share. Default: none, each connection encodes for itself. */
  readonly shared?: SharedEncoder | undefined
  /**
   * Releases the resources of the instance. Called once, when the session is closed; a transform may still be pending.
   */
  readonly close?: (() => void) | undefined
}
