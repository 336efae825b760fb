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
import * as BasicAuth from "@effect-ws/protocol/BasicAuth"
import * as BearerAuth from "@effect-ws/protocol/BearerAuth"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { credentialsOf, decoded, unauthorized, wrongPassword } from "./internal/authPolicy.ts"
import type { Policy } from "./internal/authPolicy.ts"
import type { DigestOptions } from "./internal/digestPolicy.ts"
import { decoy, sameBytes, sha256 } from "./internal/hashes.ts"

export { unauthorized } from "./internal/authPolicy.ts"
export type { Policy } from "./internal/authPolicy.ts"
export { digest } from "./internal/digestPolicy.ts"
export type { DigestOptions, DigestUser } from "./internal/digestPolicy.ts"

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
  /** Looks users up for `digest`. */
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
