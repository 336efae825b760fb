/**
 * The Bearer scheme (RFC 6750): a token that whoever holds it may use. What is in the token is no business of ours.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AuthParam, Challenge, Credentials } from "./Authorization.ts"
import * as Authorization from "./Authorization.ts"
import type { AuthHeaderError } from "./AuthHeaderError.ts"
import { malformed } from "./AuthHeaderError.ts"

/**
 * What a server says about the token it wants, or about the one it got.
 *
 * @category models
 * @since 0.1.0
 */
export interface BearerChallenge {
  readonly realm: string
  /** The scopes that the token must have, separated by spaces. Default: not said. */
  readonly scope?: string | undefined
  /** What was wrong with the token. Default: not said, as when there was none. */
  readonly error?: "invalid_request" | "invalid_token" | "insufficient_scope" | undefined
  /** The same for whoever debugs the client: printable ASCII without quotes and backslashes. Default: not said. */
  readonly errorDescription?: string | undefined
}

/**
 * Creates the challenge that asks for a token.
 *
 * @category constructors
 * @since 0.1.0
 */
export const challenge = (options: BearerChallenge): Challenge => {
  const params: Array<AuthParam> = [Authorization.quoted("realm", options.realm)]
  if (options.scope !== undefined) params.push(Authorization.quoted("scope", options.scope))
  if (options.error !== undefined) params.push(Authorization.quoted("error", options.error))
  if (options.errorDescription !== undefined) {
    params.push(Authorization.quoted("error_description", options.errorDescription))
  }
  return { scheme: "Bearer", token68: undefined, params }
}

const b64token = /^[-._~+/0-9A-Za-z]+=*$/

/**
 * Encodes a token, or says that it cannot be sent: RFC 6750 2.1 allows letters, digits, `-._~+/` and a tail of `=`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (token: Redacted.Redacted<string>): Result.Result<Credentials, AuthHeaderError> => {
  const token68 = Redacted.value(token)
  return b64token.test(token68)
    ? Result.succeed({ scheme: "Bearer", token68, params: [] })
    : malformed("credentials", "Bearer", "the token has a character other than letters, digits and -._~+/=")
}

/**
 * Decodes credentials into the token.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (credentials: Credentials): Result.Result<Redacted.Redacted<string>, AuthHeaderError> =>
  credentials.token68 === undefined
    ? malformed("credentials", "Bearer", "expected a token")
    : Result.succeed(Redacted.make(credentials.token68, { label: "token" }))
