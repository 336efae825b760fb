/**
 * Converts what a program writes to a socket to bytes.
 */

const encoder = new TextEncoder()

/** Encodes text as UTF-8 and returns bytes unchanged. Throws a `TypeError` for anything else. */
export const toBytes = (chunk: Uint8Array | string): Uint8Array => {
  if (typeof chunk === "string") return encoder.encode(chunk)
  if (isBytes(chunk)) return chunk
  const found: unknown = chunk
  throw new TypeError(`write: expected a string or a Uint8Array, found ${Object.prototype.toString.call(found)}`)
}

// The getter recognises views of another realm too. `Argument` of the protocol does the same.
const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag
)!.get!

const isBytes = (u: unknown): u is Uint8Array => u instanceof Uint8Array || typedArrayName.call(u) === "Uint8Array"
