/**
 * A message: what applications exchange. One or more frames carry it, and the session hides them.
 *
 * `SessionSchema.Message` is the Schema of a message.
 *
 * @since 0.1.0
 */
/**
 * A text message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Text {
  readonly _tag: "Text"
  readonly data: string
}

/**
 * A binary message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Binary {
  readonly _tag: "Binary"
  readonly data: Uint8Array
}

/**
 * A message as data: `Text` with a string, or `Binary` with bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = Text | Binary

/**
 * Creates a text message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (data: string): Text => ({ _tag: "Text", data })

/**
 * Creates a binary message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const binary = (data: Uint8Array): Binary => ({ _tag: "Binary", data })

/**
 * Returns whether a message is text.
 *
 * @category guards
 * @since 0.1.0
 */
export const isText = (self: Message): self is Text => self._tag === "Text"

/**
 * Returns whether a message is binary.
 *
 * @category guards
 * @since 0.1.0
 */
export const isBinary = (self: Message): self is Binary => self._tag === "Binary"
