/**
 * Node's hash functions and constant-time comparison, for authentication.
 */
import type { DigestSecret, Hash, HashName } from "@effect-ws/protocol/DigestAuth"
import * as Redacted from "effect/Redacted"
import { createHash, randomUUID, timingSafeEqual } from "node:crypto"

const hash =
  (name: string): Hash =>
  (bytes) =>
    createHash(name).update(bytes).digest()

export const hashes: { readonly [Name in HashName]: Hash } = {
  "SHA-512-256": hash("sha512-256"),
  "SHA-256": hash("sha256"),
  MD5: hash("md5")
}

export const sha256 = (text: string): Uint8Array => createHash("sha256").update(text).digest()

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

/** A random password, compared with when there is no such user. */
export const decoy: Extract<DigestSecret, { _tag: "Password" }> = {
  _tag: "Password",
  password: Redacted.make(randomUUID())
}
