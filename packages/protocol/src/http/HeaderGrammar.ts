/**
 * The small grammars that HTTP header fields are made of (RFC 9110 5.5 and 5.6), written once so that the head parser,
 * the head writer and every WebSocket header agree on what a token or a field value is. All functions look at each
 * character at most a constant number of times: a hostile header costs what its length costs, whatever is in it.
 * Strings here hold one character per byte (U+0000 to U+00FF), because HTTP headers have no other charset.
 */
import * as Schema from "effect/Schema"

/** The bit of token characters in `characterClasses`. @internal */
export const TOKEN = 1

/** The bit of field value characters in `characterClasses`. @internal */
export const VALUE = 2

/** The bit of request target characters in `characterClasses`. @internal */
export const TARGET = 4

/** The classes that each of the 256 characters belongs to, as bits. @internal */
export const characterClasses: Uint8Array = /* @__PURE__ */ (() => {
  const table = new Uint8Array(256)
  // RFC 9110 5.5: field-vchar = VCHAR / obs-text, with SP and HTAB between them
  for (let code = 0x20; code < 0x100; code++) table[code] = code === 0x7f ? 0 : VALUE
  table[0x09] = VALUE
  // RFC 3986: a URI is visible ASCII
  for (let code = 0x21; code < 0x7f; code++) table[code]! |= TARGET
  for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
    table[char.charCodeAt(0)]! |= TOKEN
  }
  return table
})()

/** Tells whether a character code may stand in a token. @internal */
export const isTokenCode = (code: number): boolean => code < 0x100 && (characterClasses[code]! & TOKEN) !== 0

/** Tells whether a character code is optional whitespace: a space or a tab. @internal */
export const isSpaceCode = (code: number): boolean => code === 0x20 || code === 0x09

const every = (value: string, mask: number): boolean => {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code >= 0x100 || (characterClasses[code]! & mask) === 0) return false
  }
  return true
}

/**
 * Tests whether a string is a token (RFC 9110 5.6.2): what header names, methods, subprotocols and extensions are.
 *
 * @category guards
 * @since 0.1.0
 */
export const isToken = (value: string): boolean => value.length > 0 && every(value, TOKEN)

/**
 * Tests whether a string can be sent as a field value as it is.
 *
 * **Details**
 *
 * No control characters, no character above U+00FF, and no space or tab at either end, which a receiver would remove.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFieldValue = (value: string): boolean =>
  every(value, VALUE) &&
  !(value.length > 0 && (isSpaceCode(value.charCodeAt(0)) || isSpaceCode(value.charCodeAt(value.length - 1))))

/**
 * Tests whether a string is visible ASCII without spaces, as a request target must be.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTarget = (value: string): boolean => value.length > 0 && every(value, TARGET)

/**
 * Tests whether a string can be a reason phrase: field value characters, spaces allowed anywhere.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReasonPhrase = (value: string): boolean => every(value, VALUE)

/**
 * Tests whether two strings are equal but for the case of their ASCII letters.
 *
 * @category guards
 * @since 0.1.0
 */
export const equalsIgnoreCase = (a: string, b: string): boolean => {
  if (a === b) return true
  if (a.length !== b.length) return false
  // Unequal strings mostly differ in the first character, so nothing is allocated for them.
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
 * Empty elements are dropped, as RFC 9110 5.6.1.2 asks of a recipient. Quoted strings are not understood: use it where
 * the grammar has none.
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
 * Describes why the value of a header does not follow its grammar.
 *
 * **Details**
 *
 * `offset` counts characters of the value, the fields of a repeated header joined by `, `.
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

/** Renders the character at an offset for an error message. @internal */
export const renderFound = (value: string, offset: number): string => {
  if (offset >= value.length) return "the end"
  const code = value.charCodeAt(offset)
  return code > 0x20 && code < 0x7f ? `"${value[offset]}"` : `0x${code.toString(16).padStart(2, "0")}`
}

/**
 * Schema of a token.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Token: Schema.String = Schema.String.check(
  Schema.isPattern(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { expected: "an HTTP token" })
)

/**
 * Schema of a field value, one character per byte.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FieldValue: Schema.String = Schema.String.check(
  Schema.isPattern(/^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/, {
    expected: "a header value without control characters or surrounding spaces"
  })
)
