/**
 * `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`: the proof that a WebSocket server, and not a cache or an echoing
 * server, answered a handshake. It is no protection against attackers.
 *
 * Random bytes and SHA-1 are arguments, so the functions are pure.
 *
 * @since 0.1.0
 */
import * as Base64 from "effect/encoding/Base64"

/**
 * A function that hashes ASCII text with SHA-1 synchronously and returns the digest in base64.
 *
 * **Details**
 *
 * In Node it is `(text) => crypto.hash("sha1", text, "base64")`.
 *
 * @category models
 * @since 0.1.0
 */
export type Sha1 = (text: string) => string

const pattern = /^[A-Za-z0-9+/]{22}==$/

/**
 * Returns whether a header value is a key: 16 bytes in base64.
 *
 * **Details**
 *
 * The four padding bits of the last character may have any value: the example key of RFC 6455 4.1,
 * `AQIDBAUGBwgJCgsMDQ4PEC==`, has one of them set.
 *
 * @category guards
 * @since 0.1.0
 */
export const isKey = (value: string): boolean => pattern.test(value)

/**
 * Creates a key from 16 random bytes.
 *
 * **Gotchas**
 *
 * RFC 6455 4.1 requires bytes "selected randomly for each connection". For another number of bytes, the result is no
 * valid key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromRandom = (bytes: Uint8Array): string => Base64.encode(bytes)

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/**
 * Computes the value of `Sec-WebSocket-Accept` that answers a key.
 *
 * **Gotchas**
 *
 * Does not check the key.
 *
 * @category combinators
 * @since 0.1.0
 */
export const acceptFor = (key: string, sha1: Sha1): string => sha1(key + guid)
