/**
 * The Basic scheme (RFC 7617): a user name and a password in base64. Base64 hides nothing, so use the scheme on `wss`
 * only.
 *
 * @since 0.1.0
 */
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Challenge, Credentials } from "./Authorization.ts"
import type { AuthHeaderError } from "./AuthHeaderError.ts"
import { malformed } from "../internal/authParams.ts"
import * as Utf8 from "../Utf8.ts"
import { quoted } from "../internal/authParams.ts"

/**
 * A user name and its password.
 *
 * @category models
 * @since 0.1.0
 */
export interface BasicCredentials {
  readonly username: string
  readonly password: Redacted.Redacted<string>
}

/**
 * Creates the challenge that requests a password.
 *
 * **Details**
 *
 * Browsers show `realm` to tell the user which password to enter. The challenge requests names and passwords in UTF-8.
 *
 * @category constructors
 * @since 0.1.0
 */
export const challenge = (options: { readonly realm: string }): Challenge => ({
  scheme: "Basic",
  token68: undefined,
  // RFC 7617 2.1: "the only allowed value is 'UTF-8'"
  params: [quoted("realm", options.realm), quoted("charset", "UTF-8")]
})

// RFC 7617 2: "The user-id and password MUST NOT contain any control characters"
const hasControl = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true
  }
  return false
}

/**
 * Encodes a user name and a password. Fails for a colon in the name, or a control character.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (options: BasicCredentials): Result.Result<Credentials, AuthHeaderError> => {
  const password = Redacted.value(options.password)
  // RFC 7617 2: "a user-id containing a colon character is invalid"
  if (options.username.includes(":")) return malformed("credentials", "Basic", "the user name contains a colon")
  if (hasControl(options.username) || hasControl(password)) {
    return malformed("credentials", "Basic", "the user name or the password contains a control character")
  }
  const token68 = Base64.encode(Utf8.encode(`${options.username}:${password}`))
  return Result.succeed({ scheme: "Basic", token68, params: [] })
}

/**
 * Decodes credentials into a user name and a password.
 *
 * **Details**
 *
 * They must be UTF-8, as the challenge requests.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (credentials: Credentials): Result.Result<BasicCredentials, AuthHeaderError> => {
  const bytes = credentials.token68 === undefined ? undefined : Base64.decode(credentials.token68)
  if (bytes === undefined || Result.isFailure(bytes)) return malformed("credentials", "Basic", "expected base64")
  const text = Utf8.decode(bytes.success)
  if (text === undefined) return malformed("credentials", "Basic", "expected UTF-8")
  const colon = text.indexOf(":")
  if (colon < 0) return malformed("credentials", "Basic", "expected a colon between user name and password")
  if (hasControl(text)) return malformed("credentials", "Basic", "expected no control characters")
  return Result.succeed({
    username: text.slice(0, colon),
    password: Redacted.make(text.slice(colon + 1), { label: "password" })
  })
}
