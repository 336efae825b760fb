/**
 * The heads of HTTP/1.1 messages: a start line and header fields. A WebSocket handshake needs nothing else of HTTP.
 *
 * This module has the models, their Schemas and the encoder. `HeadParser` decodes heads. Strings have one character for
 * each byte, so decoding and encoding do not change a head, whatever charset its sender used.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { HeaderFields } from "./HeaderFields.ts"
import * as Fields from "./HeaderFields.ts"
import { isFieldValue, isReasonPhrase, isTarget, isToken, Token } from "./HeaderGrammar.ts"

/**
 * The versions of HTTP with such heads. A minor version above 1 is decoded as `HTTP/1.1` (RFC 9110 2.5).
 *
 * @category models
 * @since 0.1.0
 */
export type HttpVersion = "HTTP/1.0" | "HTTP/1.1"

/**
 * The head of a request.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestHead {
  /** The method, which is case-sensitive: `GET` for a handshake. */
  readonly method: string
  /** The request target as received. In a handshake it is a path with its query, or an absolute URI. */
  readonly target: string
  readonly version: HttpVersion
  readonly headers: HeaderFields
}

/**
 * The head of a response.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResponseHead {
  readonly version: HttpVersion
  /** Three digits: 100 to 999. */
  readonly status: number
  /** The reason phrase, which may be empty. */
  readonly reason: string
  readonly headers: HeaderFields
}

/**
 * Returns whether a list of fields gives the length of the body ambiguously.
 *
 * **Details**
 *
 * It does with `Transfer-Encoding` beside `Content-Length`, with a repeated `Content-Length`, or with one that is no
 * number. Two parsers that resolve this differently see different messages, which allows request smuggling (RFC 9112
 * 6.3 and 11.2).
 *
 * @category guards
 * @since 0.1.0
 */
export const isBodyLengthAmbiguous = (headers: HeaderFields): boolean => {
  const lengths = Fields.getAll(headers, "Content-Length")
  if (lengths.length === 0) return false
  return lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0]!) || Fields.has(headers, "Transfer-Encoding")
}

/**
 * Maximum characters of a method. Registered methods have at most 16.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxMethodLength = 32

const Headers: Schema.Codec<HeaderFields> = Fields.HeaderFields.check(
  Schema.makeFilter((headers) => !isBodyLengthAmbiguous(headers), { expected: "an unambiguous body length" })
)

const Version: Schema.Codec<HttpVersion> = Schema.Literals(["HTTP/1.0", "HTTP/1.1"])

/**
 * The Schema of the head of a request.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RequestHead: Schema.Codec<RequestHead> = Schema.Struct({
  method: Token.check(Schema.isMaxLength(maxMethodLength)),
  target: Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/, { expected: "visible ASCII" })),
  version: Version,
  headers: Headers
})

/**
 * The Schema of the head of a response.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResponseHead: Schema.Codec<ResponseHead> = Schema.Struct({
  version: Version,
  status: Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 999 })),
  reason: Schema.String.check(
    Schema.isPattern(/^[\t\x20-\x7e\x80-\xff]*$/, { expected: "a reason phrase without control characters" })
  ),
  headers: Headers
})

/**
 * A head that cannot be encoded, because a parser would read a part of it as something else.
 *
 * **Details**
 *
 * The check prevents header injection: a value with CR and LF would add headers. The error is the fault of the caller,
 * never of the peer.
 *
 * @category errors
 * @since 0.1.0
 */
export class HeadEncodeError extends Schema.TaggedError<HeadEncodeError>("@effect-ws/protocol/HeadEncodeError")(
  "HeadEncodeError",
  {
    part: Schema.Literals(["Method", "Target", "Status", "Reason", "HeaderName", "HeaderValue", "BodyLength"]),
    detail: Schema.String
  }
) {
  override get message(): string {
    return `cannot write an HTTP head: ${this.detail}`
  }
}

/**
 * Encodes the head of a request, with the blank line at its end.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeRequest = (head: RequestHead): Result.Result<Uint8Array, HeadEncodeError> => {
  if (!isToken(head.method) || head.method.length > maxMethodLength) {
    return fail("Method", `the method must be a token of at most ${maxMethodLength} characters`, head.method)
  }
  if (!isTarget(head.target)) return fail("Target", "the request target must be visible ASCII", head.target)
  return encodeHead(`${head.method} ${head.target} ${head.version}\r\n`, head.headers)
}

/**
 * Encodes the head of a response, with the blank line at its end.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeResponse = (head: ResponseHead): Result.Result<Uint8Array, HeadEncodeError> => {
  if (!Number.isInteger(head.status) || head.status < 100 || head.status > 999) {
    return fail("Status", "the status must be an integer from 100 to 999", String(head.status))
  }
  if (!isReasonPhrase(head.reason)) return fail("Reason", "the reason phrase has a forbidden character", head.reason)
  return encodeHead(`${head.version} ${head.status} ${head.reason}\r\n`, head.headers)
}

const encodeHead = (startLine: string, headers: HeaderFields): Result.Result<Uint8Array, HeadEncodeError> => {
  let text = startLine
  for (const { name, value } of headers) {
    if (!isToken(name)) return fail("HeaderName", "the name of a header must be a token", name)
    if (!isFieldValue(value)) {
      return fail("HeaderValue", `${name} has a forbidden character, or a space at an end`, value)
    }
    text += `${name}: ${value}\r\n`
  }
  if (isBodyLengthAmbiguous(headers)) {
    return fail("BodyLength", "at most one Content-Length, a number, and no Transfer-Encoding beside it", "the headers")
  }
  text += "\r\n"
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return Result.succeed(bytes)
}

const fail = (part: HeadEncodeError["part"], expected: string, found: string): Result.Result<never, HeadEncodeError> =>
  Result.fail(new HeadEncodeError({ part, detail: `${expected}; found ${JSON.stringify(found.slice(0, 64))}` }))
