import { hash } from "node:crypto"

/** SHA-1, which RFC 6455 4.2.2 wants for the accept value and nothing else here uses. */
export const sha1 = (bytes: Uint8Array): Uint8Array => hash("sha1", bytes, "buffer")
