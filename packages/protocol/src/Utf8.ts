/**
 * UTF-8 as RFC 6455 wants it: text must be valid, and a peer that sends bytes that cannot be UTF-8 must be refused, at
 * best as soon as the first impossible byte arrives and not when the message is complete.
 *
 * A complete payload is decoded by the platform's `TextDecoder`. A payload that arrives in pieces goes through a
 * {@link Validator}, which remembers only which continuation bytes it still expects.
 *
 * @since 0.1.0
 */

// U+FEFF at the start of a message is text like any other, so the decoder must not take it for a byte order mark.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Decodes a complete payload, or returns `undefined` where it is not valid UTF-8.
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
 * Checks text that arrives in pieces, and tells the first byte that cannot be UTF-8.
 *
 * **Details**
 *
 * `push` returns the offset in this piece of the first impossible byte, or -1. After that the validator is spent.
 * `isComplete` is false while a character is cut off at the end of what was pushed.
 *
 * @category models
 * @since 0.1.0
 */
export class Validator {
  // The range that the next byte must lie in while a character is incomplete: RFC 3629 narrows it for the byte after
  // E0, ED, F0 and F4, which excludes overlong forms, surrogates and what lies beyond U+10FFFF.
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
 * Encodes text as UTF-8. Lone surrogates become U+FFFD, as everywhere on the web platform.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (text: string): Uint8Array => encoder.encode(text)

/**
 * Returns the longest prefix of a text that fits in `limit` bytes of UTF-8 without cutting a character.
 *
 * @category combinators
 * @since 0.1.0
 */
export const truncate = (text: string, limit: number): string => {
  const { read } = encoder.encodeInto(text, new Uint8Array(limit))
  return read === text.length ? text : text.slice(0, read)
}
