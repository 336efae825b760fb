/**
 * The value of `Sec-WebSocket-Extensions` (RFC 6455 9.1): a list of extensions, each with parameters. Offers and
 * answers have the same grammar and the same model.
 *
 * The module does not interpret parameters. A parameter may occur twice or be invalid; the extension handles that.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Token } from "../http/HeaderGrammar.ts"
import type { HeaderSyntaxError } from "../http/HeaderGrammar.ts"
import { HeaderCursor } from "../internal/HeaderCursor.ts"
import { isTokenCode } from "../internal/headerCharacters.ts"

const header = "Sec-WebSocket-Extensions"

/**
 * A parameter of an extension. `value` is `undefined` for a parameter with a name only.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExtensionParam {
  readonly name: string
  readonly value: string | undefined
}

/**
 * One element of the header: a client's offer, or a server's answer to one.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExtensionOffer {
  readonly name: string
  readonly params: ReadonlyArray<ExtensionParam>
}

/**
 * Parses the value of a `Sec-WebSocket-Extensions` header.
 *
 * **Details**
 *
 * Quoted values are unquoted and must then be tokens. Empty elements between commas are ignored. A value without any
 * element is malformed. The cost is linear in the length of the value.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (value: string): Result.Result<ReadonlyArray<ExtensionOffer>, HeaderSyntaxError> => {
  const cursor = new HeaderCursor(value)
  const extensions: Array<ExtensionOffer> = []
  while (true) {
    cursor.skipEmptyElements()
    if (cursor.atEnd && extensions.length > 0) return Result.succeed(extensions)
    const name = cursor.token()
    if (name === "") return fail(cursor, "the name of an extension")
    const params: Array<ExtensionParam> = []
    // RFC 6455 9.1: "including the implied *LWS rule", so whitespace may separate any two elements
    while (cursor.skip(";")) {
      cursor.skipSpaces()
      const param = cursor.token()
      if (param === "") return fail(cursor, "the name of a parameter")
      if (!cursor.skip("=")) {
        params.push({ name: param, value: undefined })
        continue
      }
      cursor.skipSpaces()
      const paramValue = cursor.atQuote ? quotedToken(cursor) : cursor.token()
      if (paramValue === "") return fail(cursor, "a token as the value of a parameter")
      params.push({ name: param, value: paramValue })
    }
    extensions.push({ name, params })
    if (!cursor.atElementEnd) return fail(cursor, '";", "," or the end')
  }
}

// RFC 6455 9.1: "the value after quoted-string unescaping MUST conform to the 'token' ABNF". Returns an empty string if
// it does not.
const quotedToken = (cursor: HeaderCursor): string => {
  const value = cursor.quotedString(isTokenCode)
  // A token is missing where an empty string ends.
  if (value === "") cursor.offset--
  return value ?? ""
}

const fail = (cursor: HeaderCursor, expected: string): Result.Result<never, HeaderSyntaxError> =>
  Result.fail(cursor.error(header, expected))

/**
 * Renders extensions as a header value.
 *
 * **Details**
 *
 * Never quotes values: a value must be a token, and a token needs no quotes.
 *
 * @category encoding
 * @since 0.1.0
 */
export const render = (extensions: ReadonlyArray<ExtensionOffer>): string => extensions.map(renderExtension).join(", ")

const renderExtension = (extension: ExtensionOffer): string => {
  let text = extension.name
  for (const param of extension.params) {
    text += param.value === undefined ? `; ${param.name}` : `; ${param.name}=${param.value}`
  }
  return text
}

/**
 * The Schema of one extension with its parameters.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExtensionOffer: Schema.Codec<ExtensionOffer> = Schema.Struct({
  name: Token,
  params: Schema.Array(Schema.Struct({ name: Token, value: Schema.UndefinedOr(Token) }))
})

/**
 * The Schema of the extensions of one header. There is at least one.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExtensionOffers: Schema.Codec<ReadonlyArray<ExtensionOffer>> = Schema.Array(ExtensionOffer).check(
  Schema.isMinLength(1)
)

/**
 * The codec between the value of `Sec-WebSocket-Extensions` and the list of its extensions.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExtensionOffersFromString: Schema.Codec<ReadonlyArray<ExtensionOffer>, string> = Schema.String.pipe(
  Schema.decodeTo(
    ExtensionOffers,
    SchemaTransformation.transformEffect<ReadonlyArray<ExtensionOffer>, string>({
      decode: (value, options) =>
        Effect.fromResult(
          Result.mapError(
            parse(value),
            (error) => new SchemaIssue.InvalidValue({ message: error.message }, value, options)
          )
        ),
      encode: (extensions) => Effect.succeed(render(extensions))
    })
  )
)
