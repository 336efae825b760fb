/**
 * Masking in plain JavaScript: 32 bits at a time where the payload is long enough to pay for finding the alignment.
 */

// Below this length finding the word-aligned middle costs more than it saves.
const WORDS_PAY_FROM = 128

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** Rotates a key so that it applies to what follows `consumed` bytes. */
export const rotate = (key: number, consumed: number): number => {
  const bits = (consumed & 3) << 3
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits))
}

/** XORs the bytes from `start` to `end` in place; `key` applies to the byte at `start`. */
export const applyWords = (bytes: Uint8Array, start: number, end: number, key: number): void => {
  let at = start
  if (end - start >= WORDS_PAY_FROM && littleEndian) {
    const base = bytes.byteOffset
    const headEnd = start + (-(base + start) & 3)
    for (; at < headEnd; at++) bytes[at] = bytes[at]! ^ (key >>> (((at - start) & 3) << 3))
    const aligned = rotate(key, headEnd - start)
    // The view begins with the first word, because V8 compiles a loop that counts from 0 better.
    const words = new Int32Array(bytes.buffer as ArrayBuffer, base + at, (end - at) >>> 2)
    const count = words.length
    const unrolled = count & ~7
    let word = 0
    for (; word < unrolled; word += 8) {
      words[word]! ^= aligned
      words[word + 1]! ^= aligned
      words[word + 2]! ^= aligned
      words[word + 3]! ^= aligned
      words[word + 4]! ^= aligned
      words[word + 5]! ^= aligned
      words[word + 6]! ^= aligned
      words[word + 7]! ^= aligned
    }
    for (; word < count; word++) words[word]! ^= aligned
    at += count * 4
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
