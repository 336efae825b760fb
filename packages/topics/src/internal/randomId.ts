import * as Hex from "effect/encoding/Hex"

/** Returns an id that cannot be guessed. A page that was not loaded over HTTPS has no `crypto.randomUUID`. */
export const randomId = (): string => Hex.encode(globalThis.crypto.getRandomValues(new Uint8Array(16)))
