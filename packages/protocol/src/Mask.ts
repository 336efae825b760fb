/**
 * Masking: the XOR of a payload with a 4-byte key that every frame from a client carries (RFC 6455 5.3).
 *
 * Masking and unmasking are the same operation. It runs over every byte that a server receives, so this is the hottest
 * loop of the protocol: it works in place, 32 bits at a time where the payload is long enough to pay for finding the
 * alignment. The key is an `Int32` that holds the four key bytes in memory order (little endian), because a number
 * costs no allocation for each frame.
 *
 * @since 0.1.0
 */

/**
 * Packs the four bytes of a masking key, in wire order, into the number that the functions of this module take.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyFromBytes = (bytes: Uint8Array, offset = 0): number =>
  bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)

/**
 * Returns the four bytes of a masking key in wire order.
 *
 * @category conversions
 * @since 0.1.0
 */
export const keyToBytes = (key: number): Uint8Array =>
  Uint8Array.of(key & 0xff, (key >>> 8) & 0xff, (key >>> 16) & 0xff, key >>> 24)

/**
 * Rotates a key so that it applies to a payload whose first `consumed` bytes were masked already.
 *
 * @category combinators
 * @since 0.1.0
 */
export const advance = (key: number, consumed: number): number => {
  const bits = (consumed & 3) << 3
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits))
}

// Below this length finding the word-aligned middle costs more than it saves.
const WORDS_PAY_FROM = 128

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/**
 * Masks, or unmasks, the bytes from `start` to `end` in place.
 *
 * **Details**
 *
 * `key` applies to the byte at `start`; use {@link advance} to go on where an earlier call stopped. `words` is an
 * optional view of the same `ArrayBuffer` as 32-bit words: a caller that unmasks many frames of one chunk makes it once.
 *
 * @category combinators
 * @since 0.1.0
 */
export const applyInPlace = (
  bytes: Uint8Array,
  start: number,
  end: number,
  key: number,
  words?: Int32Array | undefined
): void => {
  let at = start
  if (end - start >= WORDS_PAY_FROM && littleEndian) {
    const base = bytes.byteOffset
    const headEnd = start + (-(base + start) & 3)
    for (; at < headEnd; at++) bytes[at] = bytes[at]! ^ (key >>> (((at - start) & 3) << 3))
    const aligned = advance(key, headEnd - start)
    const view = words ?? wordsOf(bytes)
    let word = (base + at) >>> 2
    const wordEnd = (base + end) >>> 2
    for (; word + 4 <= wordEnd; word += 4) {
      view[word] = view[word]! ^ aligned
      view[word + 1] = view[word + 1]! ^ aligned
      view[word + 2] = view[word + 2]! ^ aligned
      view[word + 3] = view[word + 3]! ^ aligned
    }
    for (; word < wordEnd; word++) view[word] = view[word]! ^ aligned
    at = word * 4 - base
  }
  const k0 = key & 0xff
  const k1 = (key >>> 8) & 0xff
  const k2 = (key >>> 16) & 0xff
  const k3 = key >>> 24
  // Up to three steps bring the key back to its first byte, so that the loop below needs no index arithmetic.
  for (; at < end && ((at - start) & 3) !== 0; at++) bytes[at] = bytes[at]! ^ (key >>> (((at - start) & 3) << 3))
  for (; at + 4 <= end; at += 4) {
    bytes[at] = bytes[at]! ^ k0
    bytes[at + 1] = bytes[at + 1]! ^ k1
    bytes[at + 2] = bytes[at + 2]! ^ k2
    bytes[at + 3] = bytes[at + 3]! ^ k3
  }
  for (; at < end; at++) bytes[at] = bytes[at]! ^ (key >>> (((at - start) & 3) << 3))
}

/**
 * Views the whole `ArrayBuffer` behind some bytes as 32-bit words, for {@link applyInPlace}.
 *
 * @category conversions
 * @since 0.1.0
 */
export const wordsOf = (bytes: Uint8Array): Int32Array =>
  new Int32Array(bytes.buffer as ArrayBuffer, 0, bytes.buffer.byteLength >>> 2)

/**
 * Returns a masked, or unmasked, copy of a payload.
 *
 * @category combinators
 * @since 0.1.0
 */
export const apply = (payload: Uint8Array, key: number): Uint8Array => {
  // Not `slice`: for a Node `Buffer` that is a view.
  const copy = new Uint8Array(payload)
  applyInPlace(copy, 0, copy.length, key)
  return copy
}
