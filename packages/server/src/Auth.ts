/**
 * Authentication of clients, as policies over the opening handshake.
 *
 * A policy is a function from the request to the client's identity, or to a rejection. Policies for HTTP's schemes
 * Basic, Digest and Bearer are here. Write your own policy, for a cookie or a ticket in the URL, as such a function.
 * {@link required} runs a policy before `decide` and stores the identity on the connection.
 *
 * A rejection is 401 with a challenge for each accepted scheme, or 400 for malformed credentials. It never tells
 * whether the name or the password was wrong.
 *
 * @since 0.1.0
 */
import * as Accept from "@effect-ws/connection/Accept"
import type { Connection } from "@effect-ws/connection/Connection"
import type { Challenge, Credentials } from "@effect-ws/protocol/Authorization"
import * as Authorization from "@effect-ws/protocol/Authorization"
import * as BasicAuth from "@effect-ws/protocol/BasicAuth"
import * as BearerAuth from "@effect-ws/protocol/BearerAuth"
import * as DigestAuth from "@effect-ws/protocol/DigestAuth"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Fields from "@effect-ws/protocol/HeaderFields"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AuthNonces } from "./AuthNonces.ts"
import { decoy, hashes, sameBytes, sha256 } from "./internal/hashes.ts"

/**
 * Returns the identity of a request's sender, or fails with the rejection to answer with.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy<out Identity, R = never> = (
  request: Accept.HandshakeRequest
) => Effect.Effect<Identity, HandshakeRejection, R>

// -- refusals --------------------------------------------------------------------------------------------------------

/**
 * Creates the rejection that asks for credentials, with one `WWW-Authenticate` header for each challenge.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unauthorized = (challenges: ReadonlyArray<Challenge>, reason: string): HandshakeRejection =>
  new HandshakeRejection({
    rule: "Unauthorized",
    status: 401,
    // RFC 9110 15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate header field"
    headers: { "WWW-Authenticate": challenges.map(Authorization.render) },
    reason
  })

const malformed = (reason: string): HandshakeRejection =>
  new HandshakeRejection({ rule: "Unauthorized", status: 400, reason })

const decoded = <A>(result: Result.Result<A, Error>): Effect.Effect<A, HandshakeRejection> =>
  Effect.fromResult(Result.mapError(result, (error) => malformed(error.message)))

/** Returns the credentials of a scheme, or `undefined` if the request has none. */
const credentialsOf = (
  request: UpgradeRequest,
  scheme: string
): Effect.Effect<Credentials | undefined, HandshakeRejection> => {
  const values = Fields.getAll(request.headers, "Authorization")
  if (values.length === 0) return Effect.undefined
  if (values.length > 1) return Effect.fail(malformed(`expected one Authorization header, found ${values.length}`))
  return Effect.map(decoded(Authorization.parseCredentials(values[0]!)), (credentials) =>
    Authorization.isScheme(credentials, scheme) ? credentials : undefined
  )
}

// -- schemes ---------------------------------------------------------------------------------------------------------

/**
 * Options of {@link basic}.
 *
 * @category models
 * @since 0.1.0
 */
export interface BasicOptions<Identity, R = never> {
  /** Realm of the password: the text that a browser shows in its prompt. */
  readonly realm: string
  /**
   * Function that returns the identity for a name and a password, or none if they are wrong. Compare secrets with
   * {@link sameSecret}.
   */
  readonly verify: (
    username: string,
    password: Redacted.Redacted<string>
  ) => Effect.Effect<Option.Option<Identity>, HandshakeRejection, R>
}

/**
 * Creates the policy of Basic (RFC 7617). The client sends the password in clear text.
 *
 * **Gotchas**
 *
 * Without TLS every hop on the network can read the password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const basic = <Identity, R = never>(options: BasicOptions<Identity, R>): Policy<Identity, R> => {
  const challenges = [BasicAuth.challenge(options)]
  return Effect.fnUntraced(function* (request) {
    const credentials = yield* credentialsOf(request, "Basic")
    if (credentials === undefined) return yield* unauthorized(challenges, "expected Basic credentials")
    const { password, username } = yield* decoded(BasicAuth.decode(credentials))
    const identity = yield* options.verify(username, password)
    return Option.isSome(identity) ? identity.value : yield* unauthorized(challenges, wrongPassword)
  })
}

const wrongPassword = "wrong user name or password"

/**
 * Options of {@link bearer}.
 *
 * @category models
 * @since 0.1.0
 */
export interface BearerOptions<Identity, R = never> {
  /** Realm of the token. */
  readonly realm: string
  /** Scopes that a token must have, separated by spaces; the challenge names them. Default: none are named. */
  readonly scope?: string | undefined
  /**
   * Function that returns the identity for a token, or none for an invalid one. Compare secrets with {@link
   * sameSecret}.
   */
  readonly verify: (token: Redacted.Redacted<string>) => Effect.Effect<Option.Option<Identity>, HandshakeRejection, R>
}

/**
 * Creates the policy of Bearer (RFC 6750): a valid token is enough, whichever client sends it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bearer = <Identity, R = never>(options: BearerOptions<Identity, R>): Policy<Identity, R> => {
  const { realm, scope } = options
  // RFC 6750 3.1: a request without any token SHOULD NOT be told an error code
  const missing = [BearerAuth.challenge({ realm, scope })]
  const wrong = [BearerAuth.challenge({ realm, scope, error: "invalid_token" })]
  return Effect.fnUntraced(function* (request) {
    const credentials = yield* credentialsOf(request, "Bearer")
    if (credentials === undefined) return yield* unauthorized(missing, "expected a Bearer token")
    const token = yield* decoded(BearerAuth.decode(credentials))
    const identity = yield* options.verify(token)
    return Option.isSome(identity) ? identity.value : yield* unauthorized(wrong, "invalid token")
  })
}

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

// -- users and secrets -----------------------------------------------------------------------------------------------

/**
 * Compares secrets in constant time.
 *
 * @category guards
 * @since 0.1.0
 */
export const sameSecret = (a: Redacted.Redacted<string>, b: Redacted.Redacted<string>): boolean =>
  sameBytes(sha256(Redacted.value(a)), sha256(Redacted.value(b)))

/**
 * The checks of a fixed list of users.
 *
 * @category models
 * @since 0.1.0
 */
export interface Users {
  /** Checks credentials for {@link basic}. */
  readonly verify: BasicOptions<string>["verify"]
  /** Looks users up for {@link digest}. */
  readonly lookup: DigestOptions<string>["lookup"]
}

/**
 * Creates the checks of a fixed list of user names and passwords. The identity of a user is the name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const users = (list: Iterable<readonly [username: string, password: Redacted.Redacted<string>]>): Users => {
  const passwords = new Map(list)
  return {
    verify: (username, password) =>
      Effect.sync(() => {
        const expected = passwords.get(username)
        const same = sameSecret(password, expected ?? decoy.password)
        return expected !== undefined && same ? Option.some(username) : Option.none()
      }),
    lookup: (username) =>
      Effect.sync(() =>
        Option.map(Option.fromUndefinedOr(passwords.get(username)), (password) => ({
          identity: username,
          secret: { _tag: "Password", password }
        }))
      )
  }
}

// -- combinators -----------------------------------------------------------------------------------------------------

/**
 * Creates a policy that accepts a request if one of several policies accepts it.
 *
 * **Details**
 *
 * The policies run in order, so put the strongest first. If all reject with 401, the client gets the challenges of all,
 * in that order. Any other rejection, such as 400, is returned at once.
 *
 * @category combinators
 * @since 0.1.0
 */
export const anyOf =
  <const Policies extends readonly [Policy<unknown, unknown>, ...ReadonlyArray<Policy<unknown, unknown>>]>(
    ...policies: Policies
  ): Policy<IdentityOf<Policies[number]>, RequirementsOf<Policies[number]>> =>
  (request) =>
    firstOf(policies, request) as ReturnType<Policy<IdentityOf<Policies[number]>, RequirementsOf<Policies[number]>>>

/**
 * The identity that a policy returns.
 *
 * @category models
 * @since 0.1.0
 */
export type IdentityOf<P extends Policy<unknown, unknown>> = Effect.Success<ReturnType<P>>

/**
 * The services that a policy needs.
 *
 * @category models
 * @since 0.1.0
 */
export type RequirementsOf<P extends Policy<unknown, unknown>> = Effect.Services<ReturnType<P>>

const firstOf = Effect.fnUntraced(function* (
  policies: ReadonlyArray<Policy<unknown, unknown>>,
  request: Accept.HandshakeRequest
) {
  const refusals: Array<HandshakeRejection> = []
  for (const policy of policies) {
    const outcome = yield* Effect.result(policy(request))
    if (Result.isSuccess(outcome)) return outcome.success
    if (outcome.failure.status !== 401) return yield* outcome.failure
    refusals.push(outcome.failure)
  }
  return yield* new HandshakeRejection({
    rule: "Unauthorized",
    status: 401,
    headers: refusals.flatMap((refusal) => refusal.headers),
    reason: refusals.map((refusal) => refusal.reason).join("; ")
  })
})

/**
 * Runs a policy before `decide`: a rejected request does not reach `decide`.
 *
 * **Details**
 *
 * The server checks path and origin before the policy. Without `decide`, every request that the policy accepts is
 * accepted. With `as`, the identity is in the `context` of the request that `decide` gets, and in the `context` of the
 * connection, where {@link identity} finds it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const required =
  <Identity, R, RD = never, Key = never>(
    policy: Policy<Identity, R>,
    decide: Accept.Decide<RD> = Accept.all,
    options?: { readonly as?: Context.Key<Key, Identity> | undefined }
  ): Accept.Decide<R | RD> =>
  (request) =>
    Effect.flatMap(policy(request), (identity) => {
      const key = options?.as
      if (key === undefined) return decide(request)
      const add = (context: Context.Context<never> = Context.empty()): Context.Context<never> =>
        Context.add(context, key, identity) as Context.Context<never>
      return Effect.map(decide({ ...request, context: add(request.context) }), (acceptance) => ({
        ...acceptance,
        context: add(acceptance.context)
      }))
    })

/**
 * Returns the identity that {@link required} stored on a connection, or on the request that its `decide` gets.
 *
 * **Gotchas**
 *
 * Dies if there is no identity: {@link required} did not run, or ran without this key as `as`.
 *
 * @category getters
 * @since 0.1.0
 */
export const identity = <Key, Identity>(
  holder: Pick<Connection | Accept.HandshakeRequest, "context">,
  key: Context.Key<Key, Identity>
): Effect.Effect<Identity> =>
  Effect.suspend(() =>
    Option.match(Context.getOption(holder.context, key), {
      onNone: () =>
        Effect.die(new Error(`no identity under ${key.key}: pass this key to Auth.required as the option "as"`)),
      onSome: Effect.succeed
    })
  )
