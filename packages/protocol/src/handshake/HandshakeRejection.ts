/**
 * The rejection of an opening handshake as a value: the response of a server instead of 101, and the reason.
 *
 * Programs reject with the same type as the library, so all rejections are matched, logged and counted in one place.
 * Each becomes a complete HTTP response with a short text.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { HeaderFields } from "../http/HeaderFields.ts"
import * as Fields from "../http/HeaderFields.ts"
import type { HttpHeadError } from "../http/HeadParser.ts"
import type { ResponseHead } from "../http/HttpHead.ts"
import { encodeResponse } from "../http/HttpHead.ts"
import * as Utf8 from "../Utf8.ts"

/**
 * The rules for which the library rejects a handshake. `Application` is any reason of a program.
 *
 * @category models
 * @since 0.1.0
 */
export const RejectionRule = Schema.Literals([
  "InvalidHead",
  "UnsupportedHttpVersion",
  "MethodNotAllowed",
  "InvalidTarget",
  "UnexpectedBody",
  "InvalidHost",
  "NotAnUpgrade",
  "InvalidConnection",
  "UnsupportedVersion",
  "InvalidKey",
  "InvalidOrigin",
  "InvalidSubprotocols",
  "InvalidExtensions",
  "UnknownLocation",
  "ForbiddenOrigin",
  "Unauthorized",
  "HandshakeTimeout",
  "Overloaded",
  "Application"
])

/**
 * Options of a rejection.
 *
 * @category models
 * @since 0.1.0
 */
export interface RejectionOptions {
  /** Rule that the request broke. Default: "Application". */
  readonly rule?: typeof RejectionRule.Type | undefined
  /** HTTP status, from 300 to 599. */
  readonly status: number
  /** Headers, a list or a record, in addition to those of `toResponse`. Default: none. */
  readonly headers?: Fields.Input | undefined
  /** Body: a sentence for the developer of the client, so it must not contain secrets. */
  readonly reason: string
}

/**
 * Rejects an opening handshake with an HTTP response.
 *
 * **Details**
 *
 * The constructor throws if the status is out of range or a header cannot be encoded. The rejection holds the headers
 * as a list.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandshakeRejection extends Schema.TaggedError<HandshakeRejection>(
  "@effect-ws/protocol/HandshakeRejection"
)("HandshakeRejection", {
  rule: RejectionRule.pipe(Schema.withConstructorDefault(Effect.succeed("Application" as const))),
  status: Schema.Int.check(Schema.isBetween({ minimum: 300, maximum: 599 })),
  headers: HeaderFields.pipe(Schema.withConstructorDefault(Effect.succeed(Fields.empty))),
  reason: Schema.String
}) {
  constructor(options: RejectionOptions, makeOptions?: Schema.MakeOptions) {
    super({ ...options, rule: options.rule ?? "Application", headers: Fields.fromInput(options.headers) }, makeOptions)
  }

  override get message(): string {
    return `handshake rejected with ${this.status}: ${this.reason}`
  }
}

/**
 * Creates the rejection of a request whose head is malformed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromHeadError = (error: HttpHeadError): HandshakeRejection =>
  new HandshakeRejection({ rule: "InvalidHead", status: error.status, reason: error.message })

/**
 * A response with its complete body.
 *
 * @category models
 * @since 0.1.0
 */
export interface RejectionResponse {
  readonly head: ResponseHead
  readonly body: Uint8Array
}

const framing = new Set(["connection", "content-length", "transfer-encoding"])

/**
 * Returns the complete response of a rejection.
 *
 * **Details**
 *
 * Adds `Connection: close`, `Content-Length` and, unless the rejection has its own, `Content-Type: text/plain`. Drops
 * headers of the rejection that contradict the first two. The body is the reason and a line end.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toResponse = (rejection: HandshakeRejection): RejectionResponse => {
  const body = Utf8.encode(rejection.reason + "\n")
  const headers = rejection.headers.filter((field) => !framing.has(field.name.toLowerCase()))
  // RFC 9110 7.8: a sender of Upgrade "MUST also send an 'Upgrade' connection option"
  headers.push({ name: "Connection", value: Fields.has(headers, "Upgrade") ? "close, Upgrade" : "close" })
  if (!Fields.has(headers, "Content-Type")) {
    headers.push({ name: "Content-Type", value: "text/plain; charset=utf-8" })
  }
  headers.push({ name: "Content-Length", value: String(body.length) })
  const reason = reasonPhrases[rejection.status] ?? ""
  return { head: { version: "HTTP/1.1", status: rejection.status, reason, headers }, body }
}

/**
 * Encodes the complete response of a rejection, head and body.
 *
 * **Gotchas**
 *
 * The constructor of a rejection checks its headers. For a rejection that was made with checks disabled, this throws.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (rejection: HandshakeRejection): Uint8Array => {
  const { body, head } = toResponse(rejection)
  const bytes = Result.getOrThrow(encodeResponse(head))
  const response = new Uint8Array(bytes.length + body.length)
  response.set(bytes)
  response.set(body, bytes.length)
  return response
}

const reasonPhrases: { readonly [status: number]: string } = {
  300: "Multiple Choices",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  413: "Content Too Large",
  414: "URI Too Long",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported"
}
