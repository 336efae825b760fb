/**
 * What the modules of Digest have in common: its algorithms, and the content of a challenge and of its answer.
 */

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

/** Returns whether an algorithm hashes the nonces along with the password. */
export const isSession = (algorithm: DigestAlgorithm): boolean => algorithm.endsWith("-sess")

/** Returns the strength of an algorithm: lower is stronger. */
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

/** Formats a nonce count. RFC 7616 3.4: "nc = 8LHEX" */
export const formatCount = (nc: number): string => nc.toString(16).padStart(8, "0")
