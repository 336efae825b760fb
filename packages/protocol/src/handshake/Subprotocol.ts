/**
 * The value of `Sec-WebSocket-Protocol`: the names of subprotocols. A request lists distinct tokens in order of
 * preference, and a response names one of them. Names are case-sensitive.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { HeaderSyntaxError, isToken, Token, trim } from "../http/HeaderGrammar.ts"

/**
 * Parses the list of subprotocols that a request offers.
 *
 * **Details**
 *
 * Fails for an element that is no token, for a repeated element, and for a list without elements. Empty elements
 * between commas are ignored.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (value: string): Result.Result<ReadonlyArray<string>, HeaderSyntaxError> => {
  const names = new Set<string>()
  let offset = 0
  for (const element of value.split(",")) {
    const name = trim(element)
    const start = offset + element.indexOf(name)
    offset += element.length + 1
    if (name === "") continue
    if (!isToken(name)) return fail(start, "a token", JSON.stringify(name.slice(0, 32)))
    // RFC 6455 4.1: the elements "MUST all be unique strings"
    if (names.has(name)) return fail(start, "distinct subprotocols", `"${name}" again`)
    names.add(name)
  }
  // RFC 6455 4.3: Sec-WebSocket-Protocol-Client = 1#token
  return names.size === 0 ? fail(value.length, "at least one token", "none") : Result.succeed([...names])
}

const fail = (offset: number, expected: string, found: string): Result.Result<never, HeaderSyntaxError> =>
  Result.fail(new HeaderSyntaxError({ header: "Sec-WebSocket-Protocol", offset, expected, found }))

/**
 * Renders a list of subprotocols as a header value.
 *
 * @category encoding
 * @since 0.1.0
 */
export const render = (names: ReadonlyArray<string>): string => names.join(", ")

/**
 * Returns the first name, in the order of `preferred`, that was offered, or `undefined` if there is none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const select = (preferred: ReadonlyArray<string>, offered: ReadonlyArray<string>): string | undefined =>
  preferred.find((name) => offered.includes(name))

/**
 * The Schema of the subprotocols of a request: at least one token, without repetitions.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Subprotocols: Schema.$Array<Schema.String> = Schema.Array(Token).check(
  Schema.isMinLength(1),
  Schema.isUnique()
)

/**
 * The codec between the value of `Sec-WebSocket-Protocol` and the list of its subprotocols.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SubprotocolsFromString: Schema.decodeTo<Schema.$Array<Schema.String>, Schema.String> = Schema.String.pipe(
  Schema.decodeTo(
    Subprotocols,
    SchemaTransformation.transformEffect<ReadonlyArray<string>, string>({
      decode: (value, options) =>
        Effect.fromResult(
          Result.mapError(
            parse(value),
            (error) => new SchemaIssue.InvalidValue({ message: error.message }, value, options)
          )
        ),
      encode: (names) => Effect.succeed(render(names))
    })
  )
)
