/**
 * `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`: the proof that the answer to a handshake comes from something that
 * speaks WebSocket and not from a cache or a server that echoes what it is sent. It is no security measure against
 * anybody else. Randomness and SHA-1 are arguments, so that this stays pure.
 */
import * as Base64 from "effect/encoding/Base64"

/**
 * A function that hashes ASCII text with SHA-1, synchronously, and returns the digest in base64.
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
 * Tests whether a header value is a key: the base64 text of 16 bytes.
 *
 * **Details**
 *
 * The four bits that pad the last character may be anything: the key `AQIDBAUGBwgJCgsMDQ4PEC==`, which RFC 6455 4.1
 * gives as an example, has one of them set.
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
 * RFC 6455 4.1 wants bytes "selected randomly for each connection". Any other number of bytes gives a text that `isKey`
 * refuses.
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
 * The key is hashed as the text it is; it is not checked again.
 *
 * @category combinators
 * @since 0.1.0
 */
export const acceptFor = (key: string, sha1: Sha1): string => sha1(key + guid)
