/**
 * SHA-256 and constant-time comparison by Node, for authentication.
 */
import type { DigestSecret } from "@effect-ws/protocol/DigestAuth"
import * as Redacted from "effect/Redacted"
import { createHash, randomUUID, timingSafeEqual } from "node:crypto"

export { digestHashes as hashes } from "@effect-ws/connection/internal"

export const sha256 = (text: string): Uint8Array => createHash("sha256").update(text).digest()

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

/** A random password, compared with when there is no such user. */
export const decoy: Extract<DigestSecret, { _tag: "Password" }> = {
  _tag: "Password",
  password: Redacted.make(randomUUID())
}
