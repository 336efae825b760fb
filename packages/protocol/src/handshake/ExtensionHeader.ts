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
import { HeaderSyntaxError, Token } from "../http/HeaderGrammar.ts"
import { isSpaceCode, isTokenCode, renderFound } from "../internal/headerCharacters.ts"

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

const COMMA = 0x2c
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c

class Cursor {
  readonly text: string
  offset = 0

  constructor(text: string) {
    this.text = text
  }

  // RFC 6455 9.1: "including the implied *LWS rule", so whitespace may separate any two elements
  peek(): number {
    while (isSpaceCode(this.text.charCodeAt(this.offset))) this.offset++
    return this.text.charCodeAt(this.offset)
  }

  token(): string | undefined {
    this.peek()
    const start = this.offset
    while (isTokenCode(this.text.charCodeAt(this.offset))) this.offset++
    return this.offset === start ? undefined : this.text.slice(start, this.offset)
  }

  // RFC 6455 9.1: "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
  quotedToken(): string | undefined {
    this.offset++
    let value = ""
    while (true) {
      let code = this.text.charCodeAt(this.offset)
      if (code === QUOTE) {
        if (value === "") return undefined
        this.offset++
        return value
      }
      if (code === BACKSLASH) code = this.text.charCodeAt(++this.offset)
      if (!isTokenCode(code)) return undefined
      value += this.text[this.offset++]
    }
  }
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
  const cursor = new Cursor(value)
  const extensions: Array<ExtensionOffer> = []
  while (true) {
    while (cursor.peek() === COMMA) cursor.offset++
    if (cursor.offset === value.length && extensions.length > 0) return Result.succeed(extensions)
    const name = cursor.token()
    if (name === undefined) return fail(cursor, "the name of an extension")
    const params: Array<ExtensionParam> = []
    while (cursor.peek() === SEMICOLON) {
      cursor.offset++
      const param = cursor.token()
      if (param === undefined) return fail(cursor, "the name of a parameter")
      if (cursor.peek() !== EQUALS) {
        params.push({ name: param, value: undefined })
        continue
      }
      cursor.offset++
      const paramValue = cursor.peek() === QUOTE ? cursor.quotedToken() : cursor.token()
      if (paramValue === undefined) return fail(cursor, "a token as the value of a parameter")
      params.push({ name: param, value: paramValue })
    }
    extensions.push({ name, params })
    if (cursor.offset < value.length && cursor.peek() !== COMMA) return fail(cursor, '";", "," or the end')
  }
}

const fail = (cursor: Cursor, expected: string): Result.Result<never, HeaderSyntaxError> =>
  Result.fail(
    new HeaderSyntaxError({
      header,
      offset: cursor.offset,
      expected,
      found: renderFound(cursor.text, cursor.offset)
    })
  )

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
