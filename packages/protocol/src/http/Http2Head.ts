/**
 * The heads of HTTP/2 messages (RFC 9113 8.3), as far as a WebSocket handshake needs them. Pseudo-header fields, whose
 * names begin with a colon, precede the other fields and replace the start line.
 *
 * The module works on lists of decoded fields. An HTTP/2 implementation does HPACK and frames.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { HandshakeRejection } from "../handshake/HandshakeRejection.ts"
import type { HeaderField, HeaderFields } from "./HeaderFields.ts"
import { isFieldValue, isTarget, isToken } from "./HeaderGrammar.ts"
import { defaultLimits } from "./HeadParser.ts"
import type { HeadLimits } from "./HeadParser.ts"

/**
 * The head of a request over HTTP/2.
 *
 * @category models
 * @since 0.1.0
 */
export interface Http2RequestHead {
  /** `:method`: `CONNECT` for a handshake. */
  readonly method: string
  /** `:scheme`: `https` for wss, `http` for ws. */
  readonly scheme: string | undefined
  /** `:authority`: host and port. */
  readonly authority: string | undefined
  /** `:path`: the path with its query. */
  readonly path: string | undefined
  /** `:protocol` of RFC 8441: `websocket` for a handshake. */
  readonly protocol: string | undefined
  /** The fields other than pseudo-headers. Names are in lower case. */
  readonly headers: HeaderFields
}

/**
 * The head of a response over HTTP/2.
 *
 * @category models
 * @since 0.1.0
 */
export interface Http2ResponseHead {
  /** `:status`, three digits. */
  readonly status: number
  readonly headers: HeaderFields
}

const pseudoNames: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path", ":protocol"])

// RFC 9113 8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields"
const connectionSpecific: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade"
])

const reject = (status: number, detail: string): Result.Result<never, HandshakeRejection> =>
  Result.fail(new HandshakeRejection({ rule: "InvalidHead", status, reason: `invalid HTTP/2 head: ${detail}` }))

/**
 * Reads the decoded fields of a request. Fails with the rejection that answers a malformed request.
 *
 * **Details**
 *
 * A request is malformed if its pseudo-headers are unknown, repeated or after another field, or if it has
 * connection-specific fields (RFC 9113 8.3); the status is 400. The limits are those of an HTTP/1.1 head, with 414 and
 * 431.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromFields = (
  fields: HeaderFields,
  limits: HeadLimits = {}
): Result.Result<Http2RequestHead, HandshakeRejection> => {
  const { maxHeaderBytes, maxHeaderFields, maxTargetBytes } = limits
  const pseudo = new Map<string, string>()
  const headers: Array<HeaderField> = []
  let bytes = 0
  for (const field of fields) {
    const { name, value } = field
    if (!isFieldValue(value)) return reject(400, "a value has a forbidden character, or a space at an end")
    if (name.startsWith(":")) {
      // RFC 9113 8.3: "All pseudo-header fields MUST appear in a field block before all regular field lines"
      if (headers.length > 0) return reject(400, "a pseudo-header behind another field")
      // RFC 9113 8.3: "Pseudo-header fields defined for responses MUST NOT appear in requests", nor undefined ones
      if (!pseudoNames.has(name)) return reject(400, "an unknown pseudo-header")
      if (pseudo.has(name)) return reject(400, `${name} is repeated`)
      pseudo.set(name, value)
      continue
    }
    // RFC 9113 8.2: "Field names MUST be converted to lowercase when constructing an HTTP/2 message"
    if (!isToken(name) || name !== name.toLowerCase()) return reject(400, "a name is no token in lower case")
    if (connectionSpecific.has(name)) return reject(400, `the field ${name} is of HTTP/1.1`)
    bytes += name.length + value.length + 4
    headers.push(field)
  }
  if (bytes > (maxHeaderBytes ?? defaultLimits.maxHeaderBytes)) return reject(431, "the fields are too long")
  if (headers.length > (maxHeaderFields ?? defaultLimits.maxHeaderFields)) return reject(431, "too many fields")
  const method = pseudo.get(":method")
  if (method === undefined || !isToken(method)) return reject(400, "expected a token as :method")
  const path = pseudo.get(":path")
  if (path !== undefined && path.length > (maxTargetBytes ?? defaultLimits.maxTargetBytes)) {
    return reject(414, "the path is too long")
  }
  if (path !== undefined && !isTarget(path)) return reject(400, "expected visible ASCII as :path")
  return Result.succeed({
    method,
    scheme: pseudo.get(":scheme"),
    authority: pseudo.get(":authority"),
    path,
    protocol: pseudo.get(":protocol"),
    headers
  })
}

/**
 * Returns the fields of a request, pseudo-headers first.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toFields = ({ authority, headers, method, path, protocol, scheme }: Http2RequestHead): HeaderFields => {
  const fields: Array<HeaderField> = [{ name: ":method", value: method }]
  if (protocol !== undefined) fields.push({ name: ":protocol", value: protocol })
  if (scheme !== undefined) fields.push({ name: ":scheme", value: scheme })
  if (authority !== undefined) fields.push({ name: ":authority", value: authority })
  if (path !== undefined) fields.push({ name: ":path", value: path })
  return [...fields, ...withoutConnectionFields(headers)]
}

/**
 * Converts fields to those of HTTP/2: names in lower case, without the connection-specific fields of HTTP/1.1.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withoutConnectionFields = (headers: HeaderFields): HeaderFields =>
  headers
    .map(({ name, value }) => ({ name: name.toLowerCase(), value }))
    .filter(({ name }) => !connectionSpecific.has(name))
