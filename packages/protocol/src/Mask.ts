/**
 * Masking: the XOR of a payload with a 4-byte key that every frame from a client carries (RFC 6455 5.3).
 *
 * Masking and unmasking are the same operation. It runs over every byte that a server receives, so it is the hottest
 * loop of the protocol. It works in place: byte by byte for short payloads, 32 bits at a time when the payload is long
 * enough to pay for the alignment, and by WebAssembly SIMD for longer payloads. The key is an `Int32` with the four key
 * bytes in memory order (little endian), because a number needs no allocation for each frame.
 *
 * @since 0.1.0
 */
import { applyVectors } from "./internal/maskVectors.ts"
import { applyWords, rotate } from "./internal/maskWords.ts"

/**
 * Packs the four bytes of a masking key, in wire order, into a number for the functions of this module.
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
 * Rotates a key for a payload whose first `consumed` bytes are masked already.
 *
 * @category combinators
 * @since 0.1.0
 */
export const advance: (key: number, consumed: number) => number = rotate

// Below this length copying the payload into WebAssembly's memory and back costs more than it saves.
const VECTORS_PAY_FROM = 512

/**
 * Masks, or unmasks, the bytes from `start` to `end` in place.
 *
 * **Details**
 *
 * `key` applies to the byte at `start`. Use {@link advance} to continue where an earlier call stopped.
 *
 * @category combinators
 * @since 0.1.0
 */
export const applyInPlace = (bytes: Uint8Array, start: number, end: number, key: number): void => {
  if (end - start >= VECTORS_PAY_FROM && applyVectors !== undefined) applyVectors(bytes, start, end, key)
  else applyWords(bytes, start, end, key)
}

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
