import type { Hash, HashName } from "@effect-ws/protocol/DigestAuth"
import { createHash } from "node:crypto"

const hash =
  (name: string): Hash =>
  (bytes) =>
    createHash(name).update(bytes).digest()

/** Node's hash functions for Digest authentication. */
export const digestHashes: { readonly [Name in HashName]: Hash } = {
  "SHA-512-256": hash("sha512-256"),
  "SHA-256": hash("sha256"),
  MD5: hash("md5")
}
