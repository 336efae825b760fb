/**
 * UTF-8 as RFC 6455 8.1 requires: text must be valid, and invalid bytes fail the connection, if possible at the first
 * invalid byte and not at the end of the message.
 *
 * The platform's `TextDecoder` decodes a complete payload. A {@link Validator} checks a payload that arrives in pieces;
 * it stores only which continuation bytes it still expects.
 *
 * @since 0.1.0
 */

// U+FEFF at the start of a message is part of the text, so the decoder must not treat it as a byte order mark.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Decodes a complete payload. Returns `undefined` if it is not valid UTF-8.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * Checks text that arrives in pieces, and finds the first byte that is not UTF-8.
 *
 * **Details**
 *
 * `push` returns the offset in the piece of the first invalid byte, or -1. After an invalid byte the validator cannot
 * be used again. `isComplete` is false if the last piece ended within a character.
 *
 * @category models
 * @since 0.1.0
 */
export class Validator {
  // The range of the next byte while a character is incomplete. RFC 3629 narrows it for the byte after E0, ED, F0 and
  // F4, to exclude overlong forms, surrogates and code points beyond U+10FFFF.
  private missing = 0
  private low = 0x80
  private high = 0xbf

  get isComplete(): boolean {
    return this.missing === 0
  }

  push(bytes: Uint8Array): number {
    const length = bytes.length
    let missing = this.missing
    let low = this.low
    let high = this.high
    let at = 0
    while (at < length) {
      if (missing === 0) {
        while (at + 4 <= length && (bytes[at]! | bytes[at + 1]! | bytes[at + 2]! | bytes[at + 3]!) < 0x80) at += 4
        if (at === length) break
        const lead = bytes[at]!
        if (lead >= 0x80) {
          low = 0x80
          high = 0xbf
          if (lead >= 0xc2 && lead <= 0xdf) {
            missing = 1
          } else if (lead >= 0xe0 && lead <= 0xef) {
            missing = 2
            if (lead === 0xe0) low = 0xa0
            else if (lead === 0xed) high = 0x9f
          } else if (lead >= 0xf0 && lead <= 0xf4) {
            missing = 3
            if (lead === 0xf0) low = 0x90
            else if (lead === 0xf4) high = 0x8f
          } else {
            return at
          }
        }
      } else {
        const byte = bytes[at]!
        if (byte < low || byte > high) return at
        low = 0x80
        high = 0xbf
        missing--
      }
      at++
    }
    this.missing = missing
    this.low = low
    this.high = high
    return -1
  }
}

const encoder = new TextEncoder()

/**
 * Encodes text as UTF-8. Lone surrogates become U+FFFD, as `TextEncoder` defines.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (text: string): Uint8Array => encoder.encode(text)

/**
 * Returns the longest prefix of a text that fits in `limit` bytes of UTF-8 and ends with a whole character.
 *
 * @category combinators
 * @since 0.1.0
 */
export const truncate = (text: string, limit: number): string => {
  const { read } = encoder.encodeInto(text, new Uint8Array(limit))
  return read === text.length ? text : text.slice(0, read)
}
