/**
 * What all policies of authentication have in common: reading the credentials of a request, and rejecting it.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import type { Challenge, Credentials } from "@effect-ws/protocol/Authorization"
import * as Authorization from "@effect-ws/protocol/Authorization"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Fields from "@effect-ws/protocol/HeaderFields"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/**
 * Returns the identity of a request's sender, or fails with the rejection to answer with.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy<out Identity, R = never> = (
  request: Accept.HandshakeRequest
) => Effect.Effect<Identity, HandshakeRejection, R>

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

/** Creates the rejection of credentials that cannot be read. */
export const malformed = (reason: string): HandshakeRejection =>
  new HandshakeRejection({ rule: "Unauthorized", status: 400, reason })

/** Fails with {@link malformed} where a value could not be decoded. */
export const decoded = <A>(result: Result.Result<A, Error>): Effect.Effect<A, HandshakeRejection> =>
  Effect.fromResult(Result.mapError(result, (error) => malformed(error.message)))

/** Returns the credentials of a scheme, or `undefined` if the request has none. */
export const credentialsOf = (
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

/** The reason of a rejection that does not tell which of the two was wrong. */
export const wrongPassword = "wrong user name or password"
