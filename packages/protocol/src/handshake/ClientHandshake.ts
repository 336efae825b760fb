/**
 * The client's side of the opening handshake (RFC 6455 4.1): creates the head of the request for a URL, and checks the
 * response.
 *
 * The module reads and writes no socket. Package `client` builds redirects, authentication and proxies on it.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ExtensionOffer } from "./ExtensionHeader.ts"
import * as ExtensionHeader from "./ExtensionHeader.ts"
import { addedHeaders, checkExtensions, fail, quote } from "../internal/handshakeChecks.ts"
import type { HandshakeConfigError } from "./HandshakeConfigError.ts"
import type { Sha1 } from "./HandshakeKey.ts"
import { acceptFor, isKey } from "./HandshakeKey.ts"
import type { HeaderField } from "../http/HeaderFields.ts"
import { HeaderFields } from "../http/HeaderFields.ts"
import * as Fields from "../http/HeaderFields.ts"
import { equalsIgnoreCase, isFieldValue, isTarget, isToken } from "../http/HeaderGrammar.ts"
import { withoutConnectionFields } from "../http/Http2Head.ts"
import type { Http2RequestHead, Http2ResponseHead } from "../http/Http2Head.ts"
import type { RequestHead, ResponseHead } from "../http/HttpHead.ts"

/**
 * The parts of a parsed URL that a handshake reads. Every WHATWG `URL` has them.
 *
 * @category models
 * @since 0.1.0
 */
export interface UrlParts {
  readonly href: string
  readonly protocol: string
  readonly host: string
  readonly pathname: string
  readonly search: string
}

/**
 * Options of a client's request.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestOptions {
  /** A URL of scheme ws, wss, http or https, without a fragment. User information in it is not sent. */
  readonly url: UrlParts
  /** The key of `HandshakeKey.fromRandom`, a new one for each handshake. */
  readonly key: string
  /** The subprotocols to offer, by preference. Default none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** The extensions to offer, by preference. Default none. */
  readonly extensions?: ReadonlyArray<ExtensionOffer> | undefined
  /** The `Origin` header. Default none. */
  readonly origin?: string | undefined
  /** Further headers, such as `Authorization`; not those that the handshake sets. Default none. */
  readonly headers?: Fields.Input | undefined
}

const schemes: ReadonlySet<string> = new Set(["ws:", "wss:", "http:", "https:"])

const reservedInRequest: ReadonlySet<string> = new Set([
  "host",
  "upgrade",
  "connection",
  "origin",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "sec-websocket-accept",
  "content-length",
  "transfer-encoding"
])

/**
 * Creates the head of the request for a WebSocket.
 *
 * @category constructors
 * @since 0.1.0
 */
export const request = (options: RequestOptions): Result.Result<RequestHead, HandshakeConfigError> => {
  const { key, url } = options
  const target = readTarget(url)
  if (Result.isFailure(target)) return Result.fail(target.failure)
  if (!isKey(key)) return fail("InvalidKey", "expected a key of 16 bytes in base64")
  return Result.map(offers(options), (headers) => ({
    method: "GET",
    target: target.success,
    version: "HTTP/1.1",
    headers: [
      { name: "Host", value: url.host },
      { name: "Upgrade", value: "websocket" },
      { name: "Connection", value: "Upgrade" },
      { name: "Sec-WebSocket-Key", value: key },
      { name: "Sec-WebSocket-Version", value: "13" },
      ...headers
    ]
  }))
}

/**
 * Creates the head of the extended CONNECT for a WebSocket over HTTP/2 (RFC 8441 5).
 *
 * @category constructors
 * @since 0.1.0
 */
export const connectRequest = (
  options: Omit<RequestOptions, "key">
): Result.Result<Http2RequestHead, HandshakeConfigError> => {
  const { url } = options
  const target = readTarget(url)
  if (Result.isFailure(target)) return Result.fail(target.failure)
  return Result.map(offers(options), (headers) => ({
    method: "CONNECT",
    protocol: "websocket",
    // RFC 8441 5: "The scheme of the target URI MUST be 'https' for 'wss'-schemed WebSockets and 'http' for 'ws'"
    scheme: url.protocol === "wss:" || url.protocol === "https:" ? "https" : "http",
    authority: url.host,
    path: target.success,
    headers: withoutConnectionFields([{ name: "Sec-WebSocket-Version", value: "13" }, ...headers])
  }))
}

const readTarget = (url: UrlParts): Result.Result<string, HandshakeConfigError> => {
  if (!schemes.has(url.protocol)) {
    return fail("InvalidUrl", `expected a URL of scheme ws, wss, http or https, found ${quote(url.protocol)}`)
  }
  // RFC 6455 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used". An empty
  // one is visible in the whole URL only.
  if (url.href.includes("#")) return fail("InvalidUrl", "expected a URL without a fragment")
  const target = url.pathname + url.search
  return !isTarget(target) || !target.startsWith("/") || url.host === "" || !isFieldValue(url.host)
    ? fail("InvalidUrl", `expected a URL with a host and a path in ASCII, found ${quote(url.host + target)}`)
    : Result.succeed(target)
}

/** What both forms say: origin, subprotocols, extensions, and what the program adds. */
const offers = ({
  extensions = [],
  headers: extra,
  origin,
  subprotocols = []
}: Omit<RequestOptions, "key">): Result.Result<HeaderFields, HandshakeConfigError> => {
  const headers: Array<HeaderField> = []
  if (origin !== undefined) {
    if (origin === "" || !isFieldValue(origin))
      return fail("InvalidOrigin", `expected an origin, found ${quote(origin)}`)
    headers.push({ name: "Origin", value: origin })
  }
  if (subprotocols.length > 0) {
    for (const [index, name] of subprotocols.entries()) {
      if (!isToken(name)) return fail("InvalidSubprotocol", `expected a token as subprotocol, found ${quote(name)}`)
      // RFC 6455 4.1: the elements "MUST all be unique strings"
      if (subprotocols.indexOf(name) !== index) {
        return fail("DuplicateSubprotocol", `expected distinct subprotocols, found ${name} twice`)
      }
    }
    headers.push({ name: "Sec-WebSocket-Protocol", value: subprotocols.join(", ") })
  }
  if (extensions.length > 0) {
    const malformed = checkExtensions(extensions)
    if (malformed !== undefined) return malformed
    headers.push({ name: "Sec-WebSocket-Extensions", value: ExtensionHeader.render(extensions) })
  }
  return Result.map(addedHeaders(extra, reservedInRequest), (added) => [...headers, ...added])
}

/**
 * The rules that a response can break: those of RFC 6455 4.1 and 4.2.2, and `TooManyInterimResponses` for the option
 * `maxInterimResponses`.
 *
 * @category models
 * @since 0.1.0
 */
export const Rule = Schema.Literals([
  "BadStatus",
  "BadHttpVersion",
  "MissingUpgrade",
  "WrongUpgrade",
  "MissingConnection",
  "WrongConnection",
  "MissingAccept",
  "WrongAccept",
  "MalformedExtensions",
  "UnofferedExtension",
  "DuplicateSubprotocol",
  "UnofferedSubprotocol",
  "TooManyInterimResponses"
])

/**
 * A response that does not open a WebSocket.
 *
 * **Details**
 *
 * Has the status and headers of the response, and in `body` the start of its body if the client read it.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandshakeError extends Schema.TaggedError<HandshakeError>("@effect-ws/protocol/HandshakeError")(
  "HandshakeError",
  {
    rule: Rule,
    status: Schema.Int,
    headers: HeaderFields,
    detail: Schema.String,
    body: Schema.optionalKey(Schema.String)
  }
) {
  override get message(): string {
    return `the server's handshake failed: ${this.detail}`
  }
}

/**
 * The parts of a request that the check of its response needs.
 *
 * @category models
 * @since 0.1.0
 */
export interface SentRequest {
  readonly key: string
  /** The subprotocols offered. Default none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** The extensions offered. Default none. */
  readonly extensions?: ReadonlyArray<ExtensionOffer> | undefined
  readonly sha1: Sha1
}

/**
 * The subprotocol and extensions that the server accepted.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptedHandshake {
  readonly subprotocol: string | undefined
  /** The extensions in use, in the order in which they work on data; each checks its own parameters. */
  readonly extensions: ReadonlyArray<ExtensionOffer>
  readonly headers: HeaderFields
}

/**
 * Checks the response to a request.
 *
 * **Details**
 *
 * Accepts a response without a subprotocol even if the client offered some. The program decides whether that is enough.
 *
 * @category decoding
 * @since 0.1.0
 */
export const checkResponse = (
  sent: SentRequest,
  head: ResponseHead
): Result.Result<AcceptedHandshake, HandshakeError> => {
  const { headers, status } = head
  const failure = failureOf(head)
  // RFC 6455 4.1: "If the status code received from the server is not 101, the client handles the response per HTTP
  // procedures"
  if (status !== 101) return failure("BadStatus", `expected status 101, found ${`${status} ${head.reason}`.trimEnd()}`)
  // RFC 9110 7.8: a server must ignore Upgrade in HTTP/1.0, so a response in HTTP/1.0 cannot mean that it switched.
  if (head.version !== "HTTP/1.1") return failure("BadHttpVersion", `expected HTTP/1.1, found ${head.version}`)

  // RFC 6455 4.1: "not an ASCII case-insensitive match for the value 'websocket'"
  const upgrades = Fields.getAll(headers, "Upgrade")
  if (upgrades.length === 0) return failure("MissingUpgrade", "expected the header Upgrade: websocket, found none")
  if (upgrades.length > 1 || !equalsIgnoreCase(upgrades[0]!, "websocket")) {
    return failure("WrongUpgrade", `expected the header Upgrade: websocket, found ${quote(upgrades.join(", "))}`)
  }

  // RFC 6455 4.1: "doesn't contain a token that is an ASCII case-insensitive match for the value 'Upgrade'"
  if (!Fields.has(headers, "Connection")) {
    return failure("MissingConnection", "expected the header Connection: Upgrade, found none")
  }
  if (!Fields.hasListElement(headers, "Connection", "Upgrade")) {
    const found = quote(Fields.getAll(headers, "Connection").join(", "))
    return failure("WrongConnection", `expected the token Upgrade in the Connection header, found ${found}`)
  }

  // RFC 6455 4.1: "a value other than the base64-encoded SHA-1 of the concatenation of the |Sec-WebSocket-Key| [...]
  // with the string"
  const accepts = Fields.getAll(headers, "Sec-WebSocket-Accept")
  const expected = acceptFor(sent.key, sent.sha1)
  if (accepts.length === 0) return failure("MissingAccept", `expected Sec-WebSocket-Accept: ${expected}, found none`)
  if (accepts.length > 1 || accepts[0] !== expected) {
    return failure("WrongAccept", `expected Sec-WebSocket-Accept: ${expected}, found ${quote(accepts.join(", "))}`)
  }
  return checkAgreed(sent, head)
}

/**
 * Checks the response to an extended CONNECT. Any 2xx status accepts.
 *
 * @category decoding
 * @since 0.1.0
 */
export const checkConnect = (
  sent: Offered,
  head: Http2ResponseHead
): Result.Result<AcceptedHandshake, HandshakeError> =>
  // RFC 8441 5: "A successful response is a 2xx (Successful) status code"
  head.status < 200 || head.status > 299
    ? failureOf(head)("BadStatus", `expected a status of the 2xx, found ${head.status}`)
    : checkAgreed(sent, head)

type Offered = Pick<SentRequest, "extensions" | "subprotocols">

const failureOf =
  ({ headers, status }: Http2ResponseHead) =>
  (rule: HandshakeError["rule"], detail: string): Result.Result<never, HandshakeError> =>
    Result.fail(new HandshakeError({ rule, status, headers, detail }))

/** Checks what both forms may say: extensions and subprotocol. */
const checkAgreed = (sent: Offered, head: Http2ResponseHead): Result.Result<AcceptedHandshake, HandshakeError> => {
  const { headers } = head
  const failure = failureOf(head)
  let extensions: ReadonlyArray<ExtensionOffer> = []
  const extensionValues = Fields.getAll(headers, "Sec-WebSocket-Extensions")
  if (extensionValues.length > 0) {
    const parsed = ExtensionHeader.parse(extensionValues.join(", "))
    if (Result.isFailure(parsed)) return failure("MalformedExtensions", parsed.failure.message)
    extensions = parsed.success
    // RFC 6455 4.1: "the use of an extension that was not present in the client's handshake"
    const offers = sent.extensions ?? []
    const unoffered = extensions.find(({ name }) => offers.every((offer) => offer.name !== name))
    if (unoffered !== undefined) {
      const offered = offers.map((offer) => offer.name).join(", ") || "none"
      return failure("UnofferedExtension", `the extension ${unoffered.name} was not offered; offered: ${offered}`)
    }
  }

  // RFC 6455 11.3.4: "MUST NOT appear more than once in an HTTP response"
  const subprotocols = Fields.getAll(headers, "Sec-WebSocket-Protocol")
  const subprotocol = subprotocols[0]
  if (subprotocols.length > 1) {
    return failure("DuplicateSubprotocol", `expected one subprotocol, found ${quote(subprotocols.join(", "))}`)
  }
  // RFC 6455 4.1: "the use of a subprotocol that was not present in the client's handshake"
  if (subprotocol !== undefined && !sent.subprotocols?.includes(subprotocol)) {
    const offered = sent.subprotocols?.join(", ") || "none"
    return failure("UnofferedSubprotocol", `the subprotocol ${quote(subprotocol)} was not offered; offered: ${offered}`)
  }
  return Result.succeed({ subprotocol, extensions, headers })
}
