/**
 * The Bearer scheme (RFC 6750): a token that anyone who holds it can use. The library does not interpret the token.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AuthParam, Challenge, Credentials } from "./Authorization.ts"
import type { AuthHeaderError } from "./AuthHeaderError.ts"
import { malformed } from "../internal/authParams.ts"
import { quoted } from "../internal/authParams.ts"

/**
 * What a server says about the token that it requires, or about the token that it received.
 *
 * @category models
 * @since 0.1.0
 */
export interface BearerChallenge {
  readonly realm: string
  /** The scopes that the token must have, separated by spaces. Default: none. */
  readonly scope?: string | undefined
  /** The error in the token. Default: none, as for a request without a token. */
  readonly error?: "invalid_request" | "invalid_token" | "insufficient_scope" | undefined
  /** The error as text for developers: printable ASCII without quotes and backslashes. Default: none. */
  readonly errorDescription?: string | undefined
}

/**
 * Creates the challenge that requests a token.
 *
 * @category constructors
 * @since 0.1.0
 */
export const challenge = (options: BearerChallenge): Challenge => {
  const params: Array<AuthParam> = [quoted("realm", options.realm)]
  if (options.scope !== undefined) params.push(quoted("scope", options.scope))
  if (options.error !== undefined) params.push(quoted("error", options.error))
  if (options.errorDescription !== undefined) {
    params.push(quoted("error_description", options.errorDescription))
  }
  return { scheme: "Bearer", token68: undefined, params }
}

const b64token = /^[-._~+/0-9A-Za-z]+=*$/

/**
 * Encodes a token. Fails for characters that RFC 6750 2.1 does not allow: it allows letters, digits, `-._~+/`, and `=`
 * at the end.
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
