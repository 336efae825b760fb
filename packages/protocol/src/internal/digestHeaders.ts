/**
 * Digest challenges and credentials (RFC 7616 3.3 and 3.4) as the parameters of a header.
 */
import * as Result from "effect/Result"
import type { AuthHeaderError } from "../auth/AuthHeaderError.ts"
import type { AuthParam, Challenge, Credentials } from "../auth/Authorization.ts"
import * as Authorization from "../auth/Authorization.ts"
import { equalsIgnoreCase, splitList } from "../http/HeaderGrammar.ts"
import * as Utf8 from "../Utf8.ts"
import { fromByteString, malformed, plain, quoted } from "./authParams.ts"
import { algorithms, formatCount, hashName } from "./digestModel.ts"
import type { DigestAlgorithm, DigestChallenge, DigestCredentials } from "./digestModel.ts"

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
  const qop = Authorization.param(challenge, "qop") ?? ""
  const hasAuth = splitList(qop).some((value) => equalsIgnoreCase(value, "auth"))
  const common = readCommon(challenge, "a realm and a nonce", hasAuth)
  if (typeof common === "string") return malformed("challenge", "Digest", common)
  return Result.succeed({
    ...common,
    // RFC 7616 3.3: "If stale is true (case insensitive)"
    stale: isTrue(challenge, "stale"),
    userhash: isTrue(challenge, "userhash"),
    utf8: equalsIgnoreCase(Authorization.param(challenge, "charset") ?? "", "UTF-8")
  })
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
  const texts = "realm, nonce, uri and cnonce"
  const common = readCommon(credentials, texts, equalsIgnoreCase(Authorization.param(credentials, "qop") ?? "", "auth"))
  if (typeof common === "string") return fail(common)
  const uri = text(credentials, "uri")
  const cnonce = text(credentials, "cnonce")
  if (uri === undefined || cnonce === undefined) return fail(`expected ${texts}, in UTF-8`)
  const nc = Authorization.param(credentials, "nc") ?? ""
  if (!/^[0-9a-f]{8}$/.test(nc) || nc === "00000000") return fail("expected a count of eight hexadecimal digits in nc")
  const response = Authorization.param(credentials, "response") ?? ""
  if (!/^[0-9a-f]*$/.test(response) || response.length !== (hashName(common.algorithm) === "MD5" ? 32 : 64)) {
    return fail(`expected a response of ${common.algorithm} in hexadecimal`)
  }
  return Result.succeed({ ...common, username, userhash, uri, cnonce, nc: Number.parseInt(nc, 16), response })
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

// -- parameters of both ----------------------------------------------------------------------------------------------

type Common = Pick<DigestCredentials, "realm" | "nonce" | "algorithm" | "opaque">

/**
 * Reads what challenges and credentials have in common. Returns what was expected, as text, at the first fault. `texts`
 * names the required texts of the header, and `hasAuth` says whether its `qop` is, or includes, `auth`.
 */
const readCommon = (header: Challenge | Credentials, texts: string, hasAuth: boolean): Common | string => {
  const realm = text(header, "realm")
  const nonce = text(header, "nonce")
  if (realm === undefined || nonce === undefined) return `expected ${texts}, in UTF-8`
  if (!hasAuth) return "expected the quality of protection auth"
  const algorithm = readAlgorithm(header)
  if (algorithm === undefined) return `expected one of the algorithms ${algorithms.join(", ")}`
  const opaque = text(header, "opaque")
  if (opaque === undefined && Authorization.param(header, "opaque") !== undefined) return "expected UTF-8"
  return { realm, nonce, algorithm, opaque }
}

const text = (header: Challenge | Credentials, name: string): string | undefined => {
  const value = Authorization.param(header, name)
  return value === undefined ? undefined : fromByteString(value)
}

const isTrue = (header: Challenge | Credentials, name: string): boolean =>
  equalsIgnoreCase(Authorization.param(header, name) ?? "", "true")

// RFC 7616 3.3: "If this is not present, it is assumed to be "MD5""
const readAlgorithm = (header: Challenge | Credentials): DigestAlgorithm | undefined => {
  const name = Authorization.param(header, "algorithm") ?? "MD5"
  return algorithms.find((algorithm) => equalsIgnoreCase(algorithm, name))
}
