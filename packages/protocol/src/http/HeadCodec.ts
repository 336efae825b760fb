/**
 * Codecs of whole HTTP/1.1 heads as Schemas, for tests and tools. `HeadParser` and the encoders of `HttpHead` do the
 * work; a handshake uses them directly.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { HeadParser } from "./HeadParser.ts"
import type { HeadByKind } from "./HeadParser.ts"
import { encodeRequest, encodeResponse, RequestHead, ResponseHead } from "./HttpHead.ts"

const parseWhole = <Kind extends keyof HeadByKind>(
  kind: Kind,
  bytes: Uint8Array
): Result.Result<HeadByKind[Kind], string> => {
  const result = new HeadParser(kind).push(bytes)
  if (result === undefined) return Result.fail("expected a blank line at the end of the HTTP head")
  if (result._tag === "HttpHeadError") return Result.fail(result.message)
  return result.rest.length === 0
    ? Result.succeed(result.head)
    : Result.fail(`expected nothing after the HTTP head, found ${result.rest.length} bytes`)
}

const toIssue = (message: string, input: unknown): SchemaIssue.Issue => new SchemaIssue.InvalidValue({ message }, input)

/**
 * The codec between the bytes of one request head, with nothing before or after it, and the head.
 *
 * **Details**
 *
 * Decodes with the default limits of `HeadParser`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RequestHeadFromBytes: Schema.Codec<RequestHead, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    RequestHead,
    SchemaTransformation.transformEffect<RequestHead, Uint8Array>({
      decode: (bytes) =>
        Effect.fromResult(Result.mapError(parseWhole("request", bytes), (message) => toIssue(message, bytes))),
      encode: (head) => Effect.fromResult(Result.mapError(encodeRequest(head), (error) => toIssue(error.message, head)))
    })
  )
)

/**
 * The codec between the bytes of one response head, with nothing before or after it, and the head.
 *
 * **Details**
 *
 * Decodes with the default limits of `HeadParser`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResponseHeadFromBytes: Schema.Codec<ResponseHead, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    ResponseHead,
    SchemaTransformation.transformEffect<ResponseHead, Uint8Array>({
      decode: (bytes) =>
        Effect.fromResult(Result.mapError(parseWhole("response", bytes), (message) => toIssue(message, bytes))),
      encode: (head) =>
        Effect.fromResult(Result.mapError(encodeResponse(head), (error) => toIssue(error.message, head)))
    })
  )
)
