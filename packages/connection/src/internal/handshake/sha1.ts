import type { Sha1 } from "@effect-ws/protocol/HandshakeKey"
import * as Crypto from "node:crypto"

/**
 * SHA-1, which RFC 6455 4.2.2 wants for the accept value and nothing else here uses. `crypto.hash` makes no hash
 * object, which halves the cost; older versions of Bun and Deno lack it.
 */
export const sha1: Sha1 =
  typeof Crypto.hash === "function"
    ? (text) => Crypto.hash("sha1", text, "base64")
    : (text) => Crypto.createHash("sha1").update(text).digest("base64")
