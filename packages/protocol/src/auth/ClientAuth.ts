/**
 * A client's answer to a 401 or a 407: it chooses the strongest challenge that it has credentials for. One function
 * serves all schemes.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Challenge, Credentials } from "./Authorization.ts"
import * as Authorization from "./Authorization.ts"
import * as BasicAuth from "./BasicAuth.ts"
import * as BearerAuth from "./BearerAuth.ts"
import * as DigestAuth from "./DigestAuth.ts"

/**
 * The credentials of a client: a password for Digest and Basic, or a token for Bearer.
 *
 * @category models
 * @since 0.1.0
 */
export type ClientCredentials =
  | { readonly _tag: "Password"; readonly username: string; readonly password: Redacted.Redacted<string> }
  | { readonly _tag: "Token"; readonly token: Redacted.Redacted<string> }

/**
 * Creates credentials with a password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const password = (username: string, password: string | Redacted.Redacted<string>): ClientCredentials => ({
  _tag: "Password",
  username,
  password: redacted(password, "password")
})

/**
 * Creates credentials with a token.
 *
 * @category constructors
 * @since 0.1.0
 */
export const token = (token: string | Redacted.Redacted<string>): ClientCredentials => ({
  _tag: "Token",
  token: redacted(token, "token")
})

const redacted = (secret: string | Redacted.Redacted<string>, label: string): Redacted.Redacted<string> =>
  typeof secret === "string" ? Redacted.make(secret, { label }) : secret

/**
 * The parts of an answer besides the credentials.
 *
 * @category models
 * @since 0.1.0
 */
export interface RespondOptions {
  /** The method of the request: `GET` in a handshake, `CONNECT` to a proxy. */
  readonly method: string
  /** The target of the request, as in its first line. */
  readonly uri: string
  /** A random value of at least 16 characters, such as letters and digits. New for each answer. */
  readonly cnonce: string
  /** Number of answers to the nonce of this challenge, this one included. Default: 1. */
  readonly nc?: number | undefined
  /** The available hash functions. Digest challenges for others are not answered. */
  readonly hashes: DigestAuth.Hashes
  /** The schemes to use. Default: all three. Leave out Basic if the connection is not encrypted. */
  readonly schemes?: ReadonlyArray<"Basic" | "Digest" | "Bearer"> | undefined
}

/**
 * Answers the strongest challenge that the credentials fit. Returns the value for `Authorization`.
 *
 * **Details**
 *
 * Digest is stronger than Basic. Of several Digest challenges, the strongest hash wins, then the first challenge.
 * Returns none if no challenge can be answered: for other schemes, for hashes that are not available, for Digest
 * without `qop=auth`, and for Basic if the name has a colon.
 *
 * **Gotchas**
 *
 * The value is a secret. A second 401 means that the password is wrong, unless {@link isStale} returns true.
 *
 * @category constructors
 * @since 0.1.0
 */
export const respondToChallenge = (
  challenges: ReadonlyArray<Challenge>,
  proof: ClientCredentials,
  options: RespondOptions
): Option.Option<string> => {
  const { schemes = ["Digest", "Basic", "Bearer"] } = options
  const credentials =
    proof._tag === "Token"
      ? schemes.includes("Bearer") && isOffered(challenges, "Bearer")
        ? Result.getOrUndefined(BearerAuth.encode(proof.token))
        : undefined
      : ((schemes.includes("Digest") ? answerDigest(challenges, proof, options) : undefined) ??
        (schemes.includes("Basic") && isOffered(challenges, "Basic")
          ? Result.getOrUndefined(BasicAuth.encode(proof))
          : undefined))
  return Option.map(Option.fromUndefinedOr(credentials), Authorization.render)
}

const isOffered = (challenges: ReadonlyArray<Challenge>, scheme: string): boolean =>
  challenges.some((challenge) => Authorization.isScheme(challenge, scheme))

const answerDigest = (
  challenges: ReadonlyArray<Challenge>,
  proof: Extract<ClientCredentials, { _tag: "Password" }>,
  options: RespondOptions
): Credentials | undefined => {
  let chosen: DigestAuth.DigestChallenge | undefined
  for (const challenge of digests(challenges)) {
    if (options.hashes[DigestAuth.hashName(challenge.algorithm)] === undefined) continue
    if (chosen === undefined || DigestAuth.weakness(challenge.algorithm) < DigestAuth.weakness(chosen.algorithm)) {
      chosen = challenge
    }
  }
  const hash = chosen === undefined ? undefined : options.hashes[DigestAuth.hashName(chosen.algorithm)]
  if (chosen === undefined || hash === undefined) return undefined
  return DigestAuth.answer(chosen, {
    username: proof.username,
    secret: { _tag: "Password", password: proof.password },
    method: options.method,
    uri: options.uri,
    cnonce: options.cnonce,
    nc: options.nc ?? 1,
    hash
  })
}

const digests = (challenges: ReadonlyArray<Challenge>): ReadonlyArray<DigestAuth.DigestChallenge> =>
  challenges.flatMap((challenge) =>
    Authorization.isScheme(challenge, "Digest") ? Result.getOrElse(DigestAuth.decodeChallenge(challenge), () => []) : []
  )

/**
 * Returns a value for `Authorization` that needs no challenge: Basic for a password, Bearer for a token.
 *
 * **Details**
 *
 * Returns none if the credentials cannot be encoded, such as a name with a colon or a token with a space. Digest needs
 * a nonce of the server, so it is never preemptive.
 *
 * @category constructors
 * @since 0.1.0
 */
export const preemptive = (proof: ClientCredentials): Option.Option<string> =>
  Option.map(
    Result.getSuccess(proof._tag === "Token" ? BearerAuth.encode(proof.token) : BasicAuth.encode(proof)),
    Authorization.render
  )

/**
 * Returns whether the server accepted the password and refused only the age of the nonce. Answer once more then.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStale = (challenges: ReadonlyArray<Challenge>): boolean =>
  digests(challenges).some((challenge) => challenge.stale)
