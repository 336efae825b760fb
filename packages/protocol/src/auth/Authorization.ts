/**
 * The grammar that all HTTP authentication schemes share (RFC 9110 11): challenges, which a server sends in
 * `WWW-Authenticate`, and credentials, which a client sends in `Authorization`.
 *
 * Both are the name of a scheme, followed by one opaque token or by a list of parameters. `BasicAuth`, `DigestAuth` and
 * `BearerAuth` interpret the parameters. `ClientAuth` chooses the challenge to answer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { HeaderFields } from "../http/HeaderFields.ts"
import * as Fields from "../http/HeaderFields.ts"
import { equalsIgnoreCase, Token } from "../http/HeaderGrammar.ts"
import type { HeaderSyntaxError } from "../http/HeaderGrammar.ts"
import { HeaderCursor } from "../internal/HeaderCursor.ts"

/**
 * A parameter: a name, which is case-insensitive, and a value with one character for each byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthParam {
  readonly name: string
  readonly value: string
  /** Whether the value is quoted. Schemes require quotes for some parameters and forbid them for others. */
  readonly quoted: boolean
}

/**
 * A challenge: the credentials that a server requires.
 *
 * @category models
 * @since 0.1.0
 */
export interface Challenge {
  readonly scheme: string
  /** The token of a scheme that has no parameters. */
  readonly token68: string | undefined
  readonly params: ReadonlyArray<AuthParam>
}

/**
 * Credentials, which have the same form as a challenge.
 *
 * @category models
 * @since 0.1.0
 */
export type Credentials = Challenge

const EQUALS = 0x3d

const token68Classes: Uint8Array = /* @__PURE__ */ (() => {
  const table = new Uint8Array(128)
  for (const char of "-._~+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
    table[char.charCodeAt(0)] = 1
  }
  return table
})()

class ChallengeCursor extends HeaderCursor {
  expected = ""

  fail(expected: string): undefined {
    this.expected = expected
    return undefined
  }

  // If the next element is no token68, the cursor does not move: the element is then the name of a parameter.
  token68(): string | undefined {
    const start = this.offset
    while (token68Classes[this.peek()] === 1) this.offset++
    if (this.offset > start) {
      while (this.peek() === EQUALS) this.offset++
      const token = this.text.slice(start, this.offset)
      this.skipSpaces()
      if (this.atElementEnd) return token
    }
    this.offset = start
    return undefined
  }

  /** Whether a parameter comes next, as opposed to the name of another scheme. The cursor does not move. */
  get atParam(): boolean {
    const start = this.offset
    const found = this.token() !== "" && this.skip("=")
    this.offset = start
    return found
  }

  param(names: Set<string>): AuthParam | undefined {
    const start = this.offset
    const name = this.token()
    if (name === "") return this.fail("the name of a parameter")
    const key = name.toLowerCase()
    // RFC 9110 11.2: "each parameter name MUST only occur once per challenge"
    if (names.has(key)) {
      this.offset = start
      return this.fail("each parameter once")
    }
    names.add(key)
    if (!this.skip("=")) return this.fail('"="')
    this.skipSpaces()
    const quoted = this.atQuote
    const value = quoted ? this.quotedString() : this.token()
    if (value === undefined) return this.fail("the end of a quoted string")
    return value === "" && !quoted ? this.fail("the value of a parameter") : { name, value, quoted }
  }

  challenge(): Challenge | undefined {
    const scheme = this.token()
    if (scheme === "") return this.fail("the name of a scheme")
    const params: Array<AuthParam> = []
    if (!this.skipSpaces()) {
      return this.atElementEnd ? { scheme, token68: undefined, params } : this.fail('a space, "," or the end')
    }
    const token68 = this.token68()
    if (token68 !== undefined) return { scheme, token68, params }
    const names = new Set<string>()
    if (!this.atElementEnd && !this.atParam) return this.fail("a token or a parameter")
    while (true) {
      this.skipEmptyElements()
      if (this.atEnd || !this.atParam) return { scheme, token68: undefined, params }
      const param = this.param(names)
      if (param === undefined) return undefined
      params.push(param)
      this.skipSpaces()
      if (!this.atElementEnd) return this.fail('"," or the end')
    }
  }
}

/**
 * Parses the value of `WWW-Authenticate` or `Proxy-Authenticate`, which has one challenge or more.
 *
 * **Details**
 *
 * A parameter that occurs twice in a challenge makes the value malformed. Empty elements between commas are ignored.
 * The cost is linear in the length of the value.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseChallenges = (
  value: string,
  header: string = "WWW-Authenticate"
): Result.Result<ReadonlyArray<Challenge>, HeaderSyntaxError> => {
  const cursor = new ChallengeCursor(value)
  const challenges: Array<Challenge> = []
  while (true) {
    cursor.skipEmptyElements()
    if (cursor.atEnd && challenges.length > 0) return Result.succeed(challenges)
    const challenge = cursor.challenge()
    if (challenge === undefined) return Result.fail(cursor.error(header, cursor.expected))
    challenges.push(challenge)
  }
}

/**
 * Parses the value of `Authorization` or `Proxy-Authorization`.
 *
 * **Details**
 *
 * The error gives the position and quotes nothing, since the value is a secret. The cost is linear in the length of the
 * value.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseCredentials = (
  value: string,
  header: string = "Authorization"
): Result.Result<Credentials, HeaderSyntaxError> => {
  const cursor = new ChallengeCursor(value)
  const credentials = cursor.challenge()
  if (credentials !== undefined && cursor.atEnd) return Result.succeed(credentials)
  if (credentials !== undefined) cursor.fail(credentials.token68 === undefined ? "a parameter" : "the end")
  return Result.fail(cursor.error(header, cursor.expected, cursor.atEnd ? "the end" : "something else"))
}

/**
 * Returns the challenges of a response, in the order in which the server sent them.
 *
 * **Details**
 *
 * `name` is `WWW-Authenticate` by default, and `Proxy-Authenticate` for a proxy. Skips malformed field lines, so that
 * one of them does not hide the challenges in the others.
 *
 * @category decoding
 * @since 0.1.0
 */
export const challengesOf = (headers: HeaderFields, name: string = "WWW-Authenticate"): ReadonlyArray<Challenge> =>
  Fields.getAll(headers, name).flatMap((value) => Result.getOrElse(parseChallenges(value, name), () => []))

/**
 * Renders a challenge or credentials as a header value.
 *
 * **Gotchas**
 *
 * Does not check for characters that a header cannot hold. The encoder of the head refuses them.
 *
 * @category encoding
 * @since 0.1.0
 */
export const render = (challenge: Challenge): string => {
  const { params, scheme, token68 } = challenge
  if (token68 !== undefined) return `${scheme} ${token68}`
  return params.length === 0 ? scheme : `${scheme} ${params.map(renderParam).join(", ")}`
}

const renderParam = ({ name, quoted, value }: AuthParam): string =>
  quoted ? `${name}="${value.replace(/["\\]/g, "\\$&")}"` : `${name}=${value}`

/**
 * Returns whether a challenge or credentials use a scheme.
 *
 * @category guards
 * @since 0.1.0
 */
export const isScheme = (challenge: Challenge, scheme: string): boolean => equalsIgnoreCase(challenge.scheme, scheme)

/**
 * Returns the value of a parameter.
 *
 * @category getters
 * @since 0.1.0
 */
export const param = (challenge: Challenge, name: string): string | undefined =>
  challenge.params.find((candidate) => equalsIgnoreCase(candidate.name, name))?.value

const ParamValue = Schema.String.check(
  Schema.isPattern(/^[\t\x20-\x7e\x80-\xff]*$/, { expected: "text without control characters" })
)

/**
 * The Schema of a parameter.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AuthParam: Schema.Codec<AuthParam> = Schema.Union([
  Schema.Struct({ name: Token, value: Token, quoted: Schema.Literal(false) }),
  Schema.Struct({ name: Token, value: ParamValue, quoted: Schema.Literal(true) })
])

/**
 * The Schema of a challenge or of credentials.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Challenge: Schema.Codec<Challenge> = Schema.Union([
  Schema.Struct({
    scheme: Token,
    token68: Schema.String.check(Schema.isPattern(/^[-._~+/0-9A-Za-z]+=*$/, { expected: "a token68" })),
    params: Schema.Tuple([])
  }),
  Schema.Struct({
    scheme: Token,
    token68: Schema.Undefined,
    params: Schema.Array(AuthParam).check(
      Schema.makeFilter((params) => new Set(params.map(({ name }) => name.toLowerCase())).size === params.length, {
        expected: "parameters, each once"
      })
    )
  })
])

/**
 * The codec between the value of `WWW-Authenticate` and the challenges in it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ChallengesFromString: Schema.Codec<ReadonlyArray<Challenge>, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Array(Challenge).check(Schema.isMinLength(1)),
    SchemaTransformation.transformEffect<ReadonlyArray<Challenge>, string>({
      decode: (value, options) => Effect.fromResult(Result.mapError(parseChallenges(value), issue(value, options))),
      encode: (challenges) => Effect.succeed(challenges.map(render).join(", "))
    })
  )
)

/**
 * The codec between the value of `Authorization` and the credentials in it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CredentialsFromString: Schema.Codec<Credentials, string> = Schema.String.pipe(
  Schema.decodeTo(
    Challenge,
    SchemaTransformation.transformEffect<Credentials, string>({
      // The value is a secret, so the issue must not carry it.
      decode: (value, options) =>
        Effect.fromResult(Result.mapError(parseCredentials(value), issue(undefined, options))),
      encode: (credentials) => Effect.succeed(render(credentials))
    })
  )
)

type IssueOptions = ConstructorParameters<typeof SchemaIssue.InvalidValue>[2]

const issue =
  (value: string | undefined, options: IssueOptions) =>
  (error: HeaderSyntaxError): SchemaIssue.InvalidValue =>
    new SchemaIssue.InvalidValue({ message: error.message }, value, options)
