/**
 * The classes of characters in HTTP heads, as a table, so that a parser needs one lookup for each byte.
 */

/** The bit of token characters in `characterClasses`. */
export const TOKEN = 1

/** The bit of field value characters in `characterClasses`. */
export const VALUE = 2

/** The bit of request target characters in `characterClasses`. */
export const TARGET = 4

/** The classes of each of the 256 characters, as bits. */
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

/** Returns whether a character code may occur in a token. */
export const isTokenCode = (code: number): boolean => code < 0x100 && (characterClasses[code]! & TOKEN) !== 0

/**
 * Returns whether a character code may occur in a field value. A quoted string allows the same characters, some of them
 * behind a backslash (RFC 9110 5.6.4).
 */
export const isValueCode = (code: number): boolean => code < 0x100 && (characterClasses[code]! & VALUE) !== 0

/** Returns whether a character code is optional whitespace: a space or a tab. */
export const isSpaceCode = (code: number): boolean => code === 0x20 || code === 0x09

/** Renders the character at an offset for an error message. */
export const renderFound = (value: string, offset: number): string => {
  if (offset >= value.length) return "the end"
  const code = value.charCodeAt(offset)
  return code > 0x20 && code < 0x7f ? `"${value[offset]}"` : `0x${code.toString(16).padStart(2, "0")}`
}
