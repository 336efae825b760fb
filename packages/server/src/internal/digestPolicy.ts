/**
 * The policy of Digest authentication (RFC 7616).
 */
import * as DigestAuth from "@effect-ws/protocol/DigestAuth"
import type { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AuthNonces } from "../AuthNonces.ts"
import { credentialsOf, decoded, malformed, unauthorized, wrongPassword } from "./authPolicy.ts"
import type { Policy } from "./authPolicy.ts"
import { decoy, hashes, sameBytes } from "./hashes.ts"

/**
 * A user, as Digest needs it.
 *
 * @category models
 * @since 0.1.0
 */
export interface DigestUser<out Identity> {
  readonly identity: Identity
  /** The password, or the hash that is stored instead of it. */
  readonly secret: DigestAuth.DigestSecret
}

/**
 * Options of {@link digest}.
 *
 * @category models
 * @since 0.1.0
 */
export interface DigestOptions<Identity, R = never> {
  /** Realm of the password: the text that a browser shows in its prompt. It is part of every password hash. */
  readonly realm: string
  /**
   * Function that returns the user of a name, or none. A stored hash must be of the algorithm's hash function.
   */
  readonly lookup: (
    username: string,
    algorithm: DigestAuth.DigestAlgorithm
  ) => Effect.Effect<Option.Option<DigestUser<Identity>>, HandshakeRejection, R>
  /**
   * Function that returns the user, with the name, for a hashed name (`DigestAuth.hashUsername`). Default: clients must
   * send names unhashed.
   */
  readonly lookupHashed?:
    | ((
        hash: string,
        algorithm: DigestAuth.DigestAlgorithm
      ) => Effect.Effect<Option.Option<DigestUser<Identity> & { readonly username: string }>, HandshakeRejection, R>)
    | undefined
  /**
   * Algorithms to challenge for, the strongest first. Versions of curl before 8.11 take SHA-512-256 for SHA-256 and
   * fail. Default: SHA-256 and MD5.
   */
  readonly algorithms?: ReadonlyArray<DigestAuth.DigestAlgorithm> | undefined
}

/**
 * Creates the policy of Digest (RFC 7616): the client proves that it knows the password without sending it.
 *
 * **Details**
 *
 * Captured credentials cannot be replayed, nor used for another path. An expired or evicted nonce gets 401 with
 * `stale=true`, and clients then retry without asking for the password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const digest = <Identity, R = never>(options: DigestOptions<Identity, R>): Policy<Identity, R | AuthNonces> => {
  const { lookup, lookupHashed, realm } = options
  const algorithms = DigestAuth.algorithms.filter((algorithm) =>
    (options.algorithms ?? ["SHA-256", "MD5"]).includes(algorithm)
  )

  const refuse = Effect.fnUntraced(function* (reason: string, stale: boolean) {
    const nonce = yield* Effect.flatMap(AuthNonces, (nonces) => nonces.issue)
    const challenges = algorithms.map((algorithm) =>
      DigestAuth.encodeChallenge({
        realm,
        nonce,
        algorithm,
        opaque: undefined,
        stale,
        userhash: lookupHashed !== undefined,
        utf8: true
      })
    )
    return yield* unauthorized(challenges, reason)
  })

  return Effect.fnUntraced(function* (request) {
    const header = yield* credentialsOf(request, "Digest")
    if (header === undefined) return yield* refuse("expected Digest credentials", false)
    const credentials = yield* decoded(DigestAuth.decodeCredentials(header))
    const { algorithm, userhash, username } = credentials
    // RFC 7616 3.4: the server has to assure that the resource of the request is that of the uri, else it answers 400
    if (credentials.uri !== request.target) return yield* malformed("expected the Digest uri to be the request target")
    if (userhash && lookupHashed === undefined) return yield* malformed("expected an unhashed user name")
    if (credentials.realm !== realm || !algorithms.includes(algorithm)) {
      return yield* refuse("expected credentials for this realm and one of its algorithms", false)
    }
    const user = Option.getOrUndefined<DigestUser<Identity> & { readonly username?: string }>(
      userhash && lookupHashed !== undefined
        ? yield* lookupHashed(username, algorithm)
        : yield* lookup(username, algorithm)
    )
    const isRight = DigestAuth.verify(credentials, {
      method: request.version === "HTTP/2" ? "CONNECT" : "GET",
      username: user?.username,
      // For an unknown user the same work is done, so that the response time does not reveal which names exist.
      secret: user?.secret ?? decoy,
      hash: hashes[DigestAuth.hashName(algorithm)],
      equals: sameBytes
    })
    if (user === undefined || !isRight) return yield* refuse(wrongPassword, false)
    const nonces = yield* AuthNonces
    switch (yield* nonces.use(credentials.nonce, credentials.nc)) {
      case "fresh":
        return user.identity
      case "stale":
        return yield* refuse("stale nonce", true)
      case "replayed":
        return yield* refuse("nonce count already used", true)
    }
  })
}
