/**
 * The responses with which a server accepts a request for a WebSocket (RFC 6455 4.2.2, RFC 8441 5).
 */
import * as Result from "effect/Result"
import type { ExtensionOffer } from "../handshake/ExtensionHeader.ts"
import * as ExtensionHeader from "../handshake/ExtensionHeader.ts"
import type { HandshakeConfigError } from "../handshake/HandshakeConfigError.ts"
import type { Sha1 } from "../handshake/HandshakeKey.ts"
import { acceptFor } from "../handshake/HandshakeKey.ts"
import type { HeaderField, HeaderFields } from "../http/HeaderFields.ts"
import type * as Fields from "../http/HeaderFields.ts"
import type { Http2ResponseHead } from "../http/Http2Head.ts"
import type { ResponseHead } from "../http/HttpHead.ts"
import { addedHeaders, checkExtensions, fail, quote } from "./handshakeChecks.ts"
import type { UpgradeRequest } from "./UpgradeRequest.ts"

/** The header that names the protocol to switch to. */
export const upgradeHeader: HeaderField = { name: "Upgrade", value: "websocket" }

/**
 * The response that accepts a request for a WebSocket.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptOptions {
  /** The subprotocol chosen, one of those offered. Default none. */
  readonly subprotocol?: string | undefined
  /** The extensions in use, in the order in which they work on data, each offered by name. Default none. */
  readonly extensions?: ReadonlyArray<ExtensionOffer> | undefined
  /** Further headers, such as `Set-Cookie`; not those that the handshake sets. Default none. */
  readonly headers?: Fields.Input | undefined
  readonly sha1: Sha1
}

const reservedInResponse: ReadonlySet<string> = new Set([
  "upgrade",
  "connection",
  "sec-websocket-accept",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "sec-websocket-version",
  // RFC 9110 8.6 and RFC 9112 6.1: a server MUST NOT send either in a response with a 1xx status
  "content-length",
  "transfer-encoding"
])

/**
 * Creates the head of the response that accepts a request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const acceptResponse = (
  request: Pick<UpgradeRequest, "key" | "subprotocols" | "extensions">,
  options: AcceptOptions
): Result.Result<ResponseHead, HandshakeConfigError> => {
  const { key } = request
  if (key === undefined) return fail("InvalidKey", "expected a request over HTTP/1.1, which has a key")
  return Result.map(agreed(request, options), (headers) => ({
    version: "HTTP/1.1",
    status: 101,
    reason: "Switching Protocols",
    headers: [
      upgradeHeader,
      { name: "Connection", value: "Upgrade" },
      { name: "Sec-WebSocket-Accept", value: acceptFor(key, options.sha1) },
      ...headers
    ]
  }))
}

const plainAccept =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
const acceptLength = 28
const plainAcceptBytes = Uint8Array.from(`${plainAccept}${"=".repeat(acceptLength)}\r\n\r\n`, (character) =>
  character.charCodeAt(0)
)

/**
 * Encodes the most common response: it accepts a request without a subprotocol, extensions or other headers.
 *
 * **Details**
 *
 * Returns the bytes that `HttpHead.encodeResponse` makes of {@link acceptResponse} without options. The head is
 * prebuilt, so nothing is checked.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodePlainAccept = (key: string, sha1: Sha1): Uint8Array => {
  const accept = acceptFor(key, sha1)
  const bytes = plainAcceptBytes.slice()
  for (let at = 0; at < acceptLength; at++) bytes[plainAccept.length + at] = accept.charCodeAt(at)
  return bytes
}

/**
 * Creates the head of the response that accepts an extended CONNECT.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connectResponse = (
  request: Pick<UpgradeRequest, "subprotocols" | "extensions">,
  options: Omit<AcceptOptions, "sha1">
): Result.Result<Http2ResponseHead, HandshakeConfigError> =>
  // RFC 8441 5: "the server replies with a 2xx (Successful) status"; names are in lower case (RFC 9113 8.2)
  Result.map(agreed(request, options), (headers) => ({
    status: 200,
    headers: headers.map(({ name, value }) => ({ name: name.toLowerCase(), value }))
  }))

/** What both forms say: the subprotocol, the extensions, and what the program adds. */
const agreed = (
  request: Pick<UpgradeRequest, "subprotocols" | "extensions">,
  { extensions = [], headers: extra, subprotocol }: Omit<AcceptOptions, "sha1">
): Result.Result<HeaderFields, HandshakeConfigError> => {
  const headers: Array<HeaderField> = []
  if (subprotocol !== undefined) {
    // RFC 6455 4.2.2: "The value chosen MUST be derived from the client's handshake"
    if (!request.subprotocols.includes(subprotocol)) {
      const offered = request.subprotocols.join(", ") || "none"
      return fail("UnofferedSubprotocol", `the subprotocol ${quote(subprotocol)} was not offered; offered: ${offered}`)
    }
    headers.push({ name: "Sec-WebSocket-Protocol", value: subprotocol })
  }
  if (extensions.length > 0) {
    const malformed = checkExtensions(extensions)
    if (malformed !== undefined) return malformed
    // RFC 6455 4.2.2: "Extensions not listed by the client MUST NOT be listed"
    const unoffered = extensions.find(({ name }) => request.extensions.every((offer) => offer.name !== name))
    if (unoffered !== undefined) {
      const offered = request.extensions.map((offer) => offer.name).join(", ") || "none"
      return fail("UnofferedExtension", `the extension ${unoffered.name} was not offered; offered: ${offered}`)
    }
    headers.push({ name: "Sec-WebSocket-Extensions", value: ExtensionHeader.render(extensions) })
  }
  return Result.map(addedHeaders(extra, reservedInResponse), (added) => [...headers, ...added])
}
