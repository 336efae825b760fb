/**
 * The basic grammars of HTTP header fields (RFC 9110 5.5 and 5.6). The head parser, the head encoder and every
 * WebSocket header use these definitions of a token and a field value.
 *
 * All functions take linear time, so the cost of a hostile header depends only on its length. Strings have one
 * character for each byte (U+0000 to U+00FF), because HTTP headers have no other charset.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { characterClasses, isSpaceCode, TARGET, TOKEN, VALUE } from "../internal/headerCharacters.ts"

const every = (value: string, mask: number): boolean => {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code >= 0x100 || (characterClasses[code]! & mask) === 0) return false
  }
  return true
}

/**
 * Returns whether a string is a token (RFC 9110 5.6.2). Names of headers, methods, subprotocols and extensions are
 * tokens.
 *
 * @category guards
 * @since 0.1.0
 */
export const isToken = (value: string): boolean => value.length > 0 && every(value, TOKEN)

/**
 * Returns whether a string can be sent unchanged as a field value.
 *
 * **Details**
 *
 * It must have no control characters, no character above U+00FF, and no space or tab at either end, since a receiver
 * would remove those.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFieldValue = (value: string): boolean =>
  every(value, VALUE) &&
  !(value.length > 0 && (isSpaceCode(value.charCodeAt(0)) || isSpaceCode(value.charCodeAt(value.length - 1))))

/**
 * Returns whether a string is visible ASCII without spaces, as a request target must be.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTarget = (value: string): boolean => value.length > 0 && every(value, TARGET)

/**
 * Returns whether a string can be a reason phrase: characters of a field value, with spaces anywhere.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReasonPhrase = (value: string): boolean => every(value, VALUE)

/**
 * Returns whether two strings are equal, ignoring the case of ASCII letters.
 *
 * @category guards
 * @since 0.1.0
 */
export const equalsIgnoreCase = (a: string, b: string): boolean => {
  if (a === b) return true
  if (a.length !== b.length) return false
  // Unequal strings mostly differ in the first character. Comparing it first avoids an allocation.
  for (let i = 0; i < a.length; i++) {
    const code = a.charCodeAt(i)
    const other = b.charCodeAt(i)
    if (code === other) continue
    const lower = code | 0x20
    if ((code ^ other) !== 0x20 || lower < 0x61 || lower > 0x7a) return false
  }
  return true
}

/**
 * Removes spaces and tabs from both ends.
 *
 * @category combinators
 * @since 0.1.0
 */
export const trim = (value: string): string => {
  let start = 0
  let end = value.length
  while (start < end && isSpaceCode(value.charCodeAt(start))) start++
  while (end > start && isSpaceCode(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

/**
 * Splits a comma-separated value into its trimmed elements.
 *
 * **Details**
 *
 * Drops empty elements, as RFC 9110 5.6.1.2 requires of a recipient. Does not recognize quoted strings, so use it only
 * for grammars without them.
 *
 * @category decoding
 * @since 0.1.0
 */
export const splitList = (value: string): ReadonlyArray<string> => {
  const elements: Array<string> = []
  for (const part of value.split(",")) {
    const element = trim(part)
    if (element !== "") elements.push(element)
  }
  return elements
}

/**
 * The value of a header does not follow its grammar.
 *
 * **Details**
 *
 * `offset` is the position in the value. The fields of a repeated header are joined by `, `.
 *
 * @category errors
 * @since 0.1.0
 */
export class HeaderSyntaxError extends Schema.TaggedError<HeaderSyntaxError>("@effect-ws/protocol/HeaderSyntaxError")(
  "HeaderSyntaxError",
  { header: Schema.String, offset: Schema.Int, expected: Schema.String, found: Schema.String }
) {
  override get message(): string {
    return `malformed ${this.header} at character ${this.offset}: expected ${this.expected}, found ${this.found}`
  }
}

/**
 * The Schema of a token.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Token: Schema.String = Schema.String.check(
  Schema.isPattern(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { expected: "an HTTP token" })
)

/**
 * The Schema of a field value, with one character for each byte.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FieldValue: Schema.String = Schema.String.check(
  Schema.isPattern(/^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/, {
    expected: "a header value without control characters or surrounding spaces"
  })
)
