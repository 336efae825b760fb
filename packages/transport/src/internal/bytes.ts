/**
 * What a program writes to a socket of ours, as bytes.
 */

const encoder = new TextEncoder()

/** Text as UTF-8, and bytes as they are. Throws a `TypeError` for anything else. */
export const toBytes = (chunk: Uint8Array | string): Uint8Array => {
  if (typeof chunk === "string") return encoder.encode(chunk)
  if (isBytes(chunk)) return chunk
  const found: unknown = chunk
  throw new TypeError(`write: expected a string or a Uint8Array, found ${Object.prototype.toString.call(found)}`)
}

// The getter knows the type of a view of another realm too. `Argument` of the protocol has the same.
const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag
)!.get!

const isBytes = (u: unknown): u is Uint8Array => u instanceof Uint8Array || typedArrayName.call(u) === "Uint8Array"
