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
import * as Result from "effect/Result"
import type { AuthParam, Challenge, Credentials } from "./Authorization.ts"
import * as Authorization from "./Authorization.ts"
import { equalsIgnoreCase, splitList } from "../http/HeaderGrammar.ts"
import type { AuthHeaderError } from "./AuthHeaderError.ts"
import { malformed, plain, quoted } from "../internal/authParams.ts"
import * as Utf8 from "../Utf8.ts"
import { fromByteString } from "../internal/authParams.ts"

/**
 * The names of the hash functions.
 *
 * @category models
 * @since 0.1.0
 */
export type HashName = "SHA-512-256" | "SHA-256" | "MD5"

/**
 * A function that hashes bytes synchronously.
 *
 * @category models
 * @since 0.1.0
 */
export type Hash = (bytes: Uint8Array) => Uint8Array

/**
 * The available hash functions. An algorithm whose function is missing is not supported.
 *
 * @category models
 * @since 0.1.0
 */
export type Hashes = { readonly [Name in HashName]?: Hash | undefined }

/**
 * The algorithms. With `-sess`, the hash of the password includes the nonces of server and client.
 *
 * @category models
 * @since 0.1.0
 */
export type DigestAlgorithm = HashName | `${HashName}-sess`

/**
 * All algorithms, strongest first.
 *
 * @category constants
 * @since 0.1.0
 */
export const algorithms: ReadonlyArray<DigestAlgorithm> = [
  "SHA-512-256",
  "SHA-512-256-sess",
  "SHA-256",
  "SHA-256-sess",
  "MD5",
  "MD5-sess"
]

/**
 * Returns the name of the hash function of an algorithm.
 *
 * @category getters
 * @since 0.1.0
 */
export const hashName = (algorithm: DigestAlgorithm): HashName =>
  (isSession(algorithm) ? algorithm.slice(0, -"-sess".length) : algorithm) as HashName

const isSession = (algorithm: DigestAlgorithm): boolean => algorithm.endsWith("-sess")

/** Returns the strength of an algorithm: lower is stronger. @internal */
export const weakness = (algorithm: DigestAlgorithm): number => algorithms.indexOf(algorithm) >> 1

/**
 * A Digest challenge.
 *
 * @category models
 * @since 0.1.0
 */
export interface DigestChallenge {
  readonly realm: string
  readonly nonce: string
  readonly algorithm: DigestAlgorithm
  /** Value that the client returns unchanged. */
  readonly opaque: string | undefined
  /** Whether the server refused only the age of the nonce. */
  readonly stale: boolean
  /** Whether the client may send a hash instead of the user name. */
  readonly userhash: boolean
  /** Whether the server accepts user names and passwords in UTF-8. */
  readonly utf8: boolean
}

/**
 * The answer of a client to a challenge. It does not contain the password.
 *
 * @category models
 * @since 0.1.0
 */
export interface DigestCredentials {
  /** The user name, or its hash in hexadecimal if `userhash` is true. */
  readonly username: string
  readonly userhash: boolean
  readonly realm: string
  readonly nonce: string
  readonly algorithm: DigestAlgorithm
  readonly uri: string
  readonly cnonce: string
  /** Number of uses of the nonce, this one included: 1 to 4 294 967 295. */
  readonly nc: number
  readonly response: string
  readonly opaque: string | undefined
}

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

// RFC 7616 3.4: "nc = 8LHEX"
const formatCount = (nc: number): string => nc.toString(16).padStart(8, "0")

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

// -- challenges ------------------------------------------------------------------------------------------------------

/**
 * Encodes a challenge for the quality of protection `auth`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeChallenge = (challenge: DigestChallenge): Challenge => {
  // RFC 7616 3.3: "the following values MUST be quoted: realm, domain, nonce, opaque, and qop" while stale and
  // algorithm MUST NOT be
  const params: Array<AuthParam> = [
    quoted("realm", challenge.realm),
    quoted("qop", "auth"),
    plain("algorithm", challenge.algorithm),
    quoted("nonce", challenge.nonce)
  ]
  if (challenge.opaque !== undefined) params.push(quoted("opaque", challenge.opaque))
  if (challenge.stale) params.push(plain("stale", "true"))
  if (challenge.utf8) params.push(plain("charset", "UTF-8"))
  if (challenge.userhash) params.push(plain("userhash", "true"))
  return { scheme: "Digest", token68: undefined, params }
}

/**
 * Decodes a challenge. Fails if it cannot be answered.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeChallenge = (challenge: Challenge): Result.Result<DigestChallenge, AuthHeaderError> => {
  const fail = (detail: string): Result.Result<never, AuthHeaderError> => malformed("challenge", "Digest", detail)
  const realm = text(challenge, "realm")
  const nonce = text(challenge, "nonce")
  if (realm === undefined || nonce === undefined) return fail("expected a realm and a nonce, in UTF-8")
  const qop = Authorization.param(challenge, "qop")
  if (qop === undefined || !splitList(qop).some((value) => equalsIgnoreCase(value, "auth"))) {
    return fail("expected the quality of protection auth")
  }
  const algorithm = readAlgorithm(challenge)
  if (algorithm === undefined) return fail(`expected one of the algorithms ${algorithms.join(", ")}`)
  const opaque = text(challenge, "opaque")
  if (opaque === undefined && Authorization.param(challenge, "opaque") !== undefined) return fail("expected UTF-8")
  return Result.succeed({
    realm,
    nonce,
    algorithm,
    opaque,
    // RFC 7616 3.3: "If stale is true (case insensitive)"
    stale: isTrue(challenge, "stale"),
    userhash: isTrue(challenge, "userhash"),
    utf8: equalsIgnoreCase(Authorization.param(challenge, "charset") ?? "", "UTF-8")
  })
}

const text = (challenge: Challenge, name: string): string | undefined => {
  const value = Authorization.param(challenge, name)
  return value === undefined ? undefined : fromByteString(value)
}

const isTrue = (challenge: Challenge, name: string): boolean =>
  equalsIgnoreCase(Authorization.param(challenge, name) ?? "", "true")

// RFC 7616 3.3: "If this is not present, it is assumed to be "MD5""
const readAlgorithm = (challenge: Challenge): DigestAlgorithm | undefined => {
  const name = Authorization.param(challenge, "algorithm") ?? "MD5"
  return algorithms.find((algorithm) => equalsIgnoreCase(algorithm, name))
}

// -- credentials -----------------------------------------------------------------------------------------------------

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

const isVisibleAscii = (value: string): boolean => /^[\x20-\x7e]*$/.test(value)

/**
 * Encodes credentials.
 *
 * **Details**
 *
 * With `extendedUsername`, the default, a user name that is not ASCII is sent as `username*` (RFC 5987).
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeCredentials = (
  credentials: DigestCredentials,
  options?: { readonly extendedUsername?: boolean | undefined }
): Credentials => {
  const { opaque, userhash, username } = credentials
  const params: Array<AuthParam> = [
    isVisibleAscii(username) || options?.extendedUsername === false
      ? quoted("username", username)
      : plain("username*", `UTF-8''${percentEncode(username)}`),
    // RFC 7616 3.4: realm, nonce, uri, response, cnonce and opaque are quoted, algorithm, qop and nc are not
    quoted("realm", credentials.realm),
    quoted("uri", credentials.uri),
    plain("algorithm", credentials.algorithm),
    quoted("nonce", credentials.nonce),
    plain("nc", formatCount(credentials.nc)),
    quoted("cnonce", credentials.cnonce),
    plain("qop", "auth"),
    quoted("response", credentials.response)
  ]
  if (opaque !== undefined) params.push(quoted("opaque", opaque))
  if (userhash) params.push(plain("userhash", "true"))
  return { scheme: "Digest", token68: undefined, params }
}

/**
 * Decodes credentials. Fails if they are malformed.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeCredentials = (credentials: Credentials): Result.Result<DigestCredentials, AuthHeaderError> => {
  const fail = (detail: string): Result.Result<never, AuthHeaderError> => malformed("credentials", "Digest", detail)
  const userhash = isTrue(credentials, "userhash")
  const username = readUsername(credentials, userhash)
  if (username === undefined) return fail("expected one of username and username*, in UTF-8")
  const realm = text(credentials, "realm")
  const nonce = text(credentials, "nonce")
  const uri = text(credentials, "uri")
  const cnonce = text(credentials, "cnonce")
  if (realm === undefined || nonce === undefined || uri === undefined || cnonce === undefined) {
    return fail("expected realm, nonce, uri and cnonce, in UTF-8")
  }
  const algorithm = readAlgorithm(credentials)
  if (algorithm === undefined) return fail(`expected one of the algorithms ${algorithms.join(", ")}`)
  if (!equalsIgnoreCase(Authorization.param(credentials, "qop") ?? "", "auth")) {
    return fail("expected the quality of protection auth")
  }
  const nc = Authorization.param(credentials, "nc") ?? ""
  if (!/^[0-9a-f]{8}$/.test(nc) || nc === "00000000") return fail("expected a count of eight hexadecimal digits in nc")
  const response = Authorization.param(credentials, "response") ?? ""
  if (!/^[0-9a-f]*$/.test(response) || response.length !== (hashName(algorithm) === "MD5" ? 32 : 64)) {
    return fail(`expected a response of ${algorithm} in hexadecimal`)
  }
  const opaque = text(credentials, "opaque")
  if (opaque === undefined && Authorization.param(credentials, "opaque") !== undefined) return fail("expected UTF-8")
  return Result.succeed({
    username,
    userhash,
    realm,
    nonce,
    algorithm,
    uri,
    cnonce,
    nc: Number.parseInt(nc, 16),
    response,
    opaque
  })
}

const readUsername = (credentials: Credentials, userhash: boolean): string | undefined => {
  const extended = Authorization.param(credentials, "username*")
  if (extended === undefined) return text(credentials, "username")
  // RFC 7616 3.4: "username and username* MUST NOT be used simultaneously", and 3.4.4: a hashed name is no username*
  return userhash || Authorization.param(credentials, "username") !== undefined ? undefined : percentDecode(extended)
}

// RFC 5987 3.2: attr-char, all else is percent-encoded
const percentEncode = (value: string): string => {
  let encoded = ""
  for (const byte of Utf8.encode(value)) {
    const char = String.fromCharCode(byte)
    encoded += /[A-Za-z0-9!#$&+.^_`|~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  }
  return encoded
}

const extendedValue = /^utf-8'[A-Za-z0-9-]*'((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})*)$/i

const percentDecode = (value: string): string | undefined => {
  const encoded = extendedValue.exec(value)?.[1]
  return encoded === undefined
    ? undefined
    : fromByteString(encoded.replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))))
}
