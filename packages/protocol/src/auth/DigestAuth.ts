/**
 * The Digest scheme (RFC 7616): the client proves that it knows a password without sending it. It sends a hash over the
 * password, a nonce of the server, and the request. The functions for both roles are pure: the caller provides hash
 * functions and random values, and stores nonces.
 *
 * Only the quality of protection `auth` is supported, since a handshake has no body. Both roles refuse challenges and
 * credentials without one, as in RFC 2069. They have no nonce of the client, so an attacker who sends the challenge
 * could look up the password in a precomputed table; and they have no nonce count, so a server could not detect a
 * replay.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import type { Credentials } from "./Authorization.ts"
import { encodeCredentials } from "../internal/digestHeaders.ts"
import { formatCount, isSession } from "../internal/digestModel.ts"
import type { DigestChallenge, DigestCredentials, Hash } from "../internal/digestModel.ts"
import * as Utf8 from "../Utf8.ts"

export { decodeChallenge, decodeCredentials, encodeChallenge, encodeCredentials } from "../internal/digestHeaders.ts"
export { algorithms, hashName, weakness } from "../internal/digestModel.ts"
export type {
  DigestAlgorithm,
  DigestChallenge,
  DigestCredentials,
  Hash,
  Hashes,
  HashName
} from "../internal/digestModel.ts"

/**
 * A password, or the hash of `hashPassword` that a server may store instead.
 *
 * @category models
 * @since 0.1.0
 */
export type DigestSecret =
  | { readonly _tag: "Password"; readonly password: Redacted.Redacted<string> }
  | { readonly _tag: "HashedPassword"; readonly hash: Redacted.Redacted<string> }

// -- hashes ----------------------------------------------------------------------------------------------------------

const hex = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16)
  return text
}

const hashText = (hash: Hash, text: string): string => hex(hash(Utf8.encode(text)))

/**
 * Hashes a user name for a realm (RFC 7616 3.4.4).
 *
 * @category combinators
 * @since 0.1.0
 */
export const hashUsername = (options: {
  readonly username: string
  readonly realm: string
  readonly hash: Hash
}): string => hashText(options.hash, `${options.username}:${options.realm}`)

/**
 * Hashes a password, so that a server need not store it.
 *
 * **Gotchas**
 *
 * Anyone who has the hash can answer challenges of this realm, so protect it like the password. It is valid for one
 * user name, one realm and one hash function.
 *
 * @category combinators
 * @since 0.1.0
 */
export const hashPassword = (options: {
  readonly username: string
  readonly realm: string
  readonly password: Redacted.Redacted<string>
  readonly hash: Hash
}): Redacted.Redacted<string> =>
  Redacted.make(hashText(options.hash, `${options.username}:${options.realm}:${Redacted.value(options.password)}`), {
    label: "password hash"
  })

/**
 * Computes the response to a challenge (RFC 7616 3.4.1).
 *
 * **Details**
 *
 * `username` is the name itself, even if its hash is sent.
 *
 * @category combinators
 * @since 0.1.0
 */
export const response = (
  options: Pick<DigestCredentials, "username" | "realm" | "nonce" | "algorithm" | "uri" | "cnonce" | "nc"> & {
    readonly method: string
    readonly secret: DigestSecret
    readonly hash: Hash
  }
): string => {
  const { cnonce, hash, nonce, secret } = options
  const hashed =
    secret._tag === "HashedPassword" ? secret.hash : hashPassword({ ...options, password: secret.password })
  // RFC 7616 3.4.2: "A1 = H( unq(username) ":" unq(realm) ":" passwd ) ":" unq(nonce-prime) ":" unq(cnonce-prime)"
  const a1 = isSession(options.algorithm)
    ? hashText(hash, `${Redacted.value(hashed)}:${nonce}:${cnonce}`)
    : Redacted.value(hashed)
  const a2 = hashText(hash, `${options.method}:${options.uri}`)
  return hashText(hash, `${a1}:${nonce}:${formatCount(options.nc)}:${cnonce}:auth:${a2}`)
}

/**
 * Returns whether credentials prove that the client knows a secret.
 *
 * **Details**
 *
 * `username` is the name itself, even if the credentials contain its hash. `equals` must compare two byte arrays of
 * equal length in constant time.
 *
 * **Gotchas**
 *
 * Does not check the nonce, the nonce count, the realm and the URI. A server must check that the first three are its
 * own, and compare the URI with the request target.
 *
 * @category guards
 * @since 0.1.0
 */
export const verify = (
  credentials: DigestCredentials,
  options: {
    readonly method: string
    readonly username?: string | undefined
    readonly secret: DigestSecret
    readonly hash: Hash
    readonly equals: (a: Uint8Array, b: Uint8Array) => boolean
  }
): boolean => {
  const expected = response({ ...credentials, ...options, username: options.username ?? credentials.username })
  return (
    expected.length === credentials.response.length &&
    options.equals(Utf8.encode(expected), Utf8.encode(credentials.response))
  )
}

/**
 * Answers a challenge.
 *
 * **Details**
 *
 * `uri` is the request target. `cnonce` is random, and `nc` counts the answers to this nonce from 1. The user name is
 * hashed if the server accepts that. A name that is not ASCII is sent as `username*` if the server declares UTF-8, and
 * otherwise as bytes of UTF-8.
 *
 * @category constructors
 * @since 0.1.0
 */
export const answer = (
  challenge: DigestChallenge,
  options: {
    readonly username: string
    readonly secret: DigestSecret
    readonly method: string
    readonly uri: string
    readonly cnonce: string
    readonly nc: number
    readonly hash: Hash
  }
): Credentials => {
  const { algorithm, nonce, opaque, realm, userhash } = challenge
  const { cnonce, nc, uri } = options
  const name = userhash ? hashUsername({ ...options, realm }) : options.username
  return encodeCredentials(
    {
      username: name,
      userhash,
      realm,
      nonce,
      algorithm,
      uri,
      cnonce,
      nc,
      response: response({ ...options, realm, nonce, algorithm }),
      opaque
    },
    { extendedUsername: challenge.utf8 }
  )
}
