/**
 * The server's side of the opening handshake (RFC 6455 4.2): turns the head of a request into a request for a
 * WebSocket, and creates the head of the response. In between, `HandshakePolicy` or the program decides whether to
 * accept.
 *
 * The module reads and writes no socket.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Authority from "../http/Authority.ts"
import * as ExtensionHeader from "./ExtensionHeader.ts"
import { quote } from "../internal/handshakeChecks.ts"
import { isKey } from "./HandshakeKey.ts"
import { HandshakeRejection } from "./HandshakeRejection.ts"
import type { HeaderFields } from "../http/HeaderFields.ts"
import * as Fields from "../http/HeaderFields.ts"
import type { Http2RequestHead } from "../http/Http2Head.ts"
import type { RequestHead } from "../http/HttpHead.ts"
import { upgradeHeader } from "../internal/serverResponses.ts"
import type { UpgradeRequest } from "../internal/UpgradeRequest.ts"
import * as Subprotocol from "./Subprotocol.ts"

export { acceptResponse, connectResponse, encodePlainAccept } from "../internal/serverResponses.ts"
export type { AcceptOptions } from "../internal/serverResponses.ts"
export type { UpgradeRequest } from "../internal/UpgradeRequest.ts"

type Read<A> = Result.Result<A, HandshakeRejection>

const reject = (
  rule: HandshakeRejection["rule"],
  status: number,
  reason: string,
  headers: HeaderFields = Fields.empty
): Result.Result<never, HandshakeRejection> => Result.fail(new HandshakeRejection({ rule, status, reason, headers }))

/**
 * Reads the head of a request as a request for a WebSocket. Fails with the rejection to send.
 *
 * **Details**
 *
 * `secure` says whether the bytes came over TLS. Leave it out if a proxy in front may have terminated TLS.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readUpgrade = (
  head: RequestHead,
  options?: { readonly secure?: boolean | undefined }
): Result.Result<UpgradeRequest, HandshakeRejection> => {
  const { headers } = head
  // RFC 6455 4.2.1: "An HTTP/1.1 or higher GET request"
  if (head.version !== "HTTP/1.1") {
    return reject("UnsupportedHttpVersion", 400, `expected HTTP/1.1 or higher, found ${head.version}`)
  }
  if (head.method !== "GET") {
    const allow = [{ name: "Allow", value: "GET" }]
    return reject("MethodNotAllowed", 405, `expected the method GET, found ${quote(head.method)}`, allow)
  }
  const host = readHost(headers)
  if (Result.isFailure(host)) return Result.fail(host.failure)
  const target = readTarget(head.target, host.success)
  if (Result.isFailure(target)) return Result.fail(target.failure)
  if (Fields.has(headers, "Transfer-Encoding") || Number(Fields.get(headers, "Content-Length") ?? 0) !== 0) {
    // Frames follow the head, so a body would be read as frames.
    return reject("UnexpectedBody", 400, "expected a request without a body")
  }
  const upgrade = readUpgradeHeaders(headers)
  if (Result.isFailure(upgrade)) return Result.fail(upgrade.failure)
  const key = readUnique(headers, "Sec-WebSocket-Key", "InvalidKey")
  if (Result.isFailure(key)) return Result.fail(key.failure)
  // RFC 6455 4.2.1: "a base64-encoded [...] value that, when decoded, is 16 bytes in length"
  if (key.success === undefined || !isKey(key.success)) {
    const found = key.success === undefined ? "none" : quote(key.success)
    return reject("InvalidKey", 400, `expected a Sec-WebSocket-Key of 16 bytes in base64, found ${found}`)
  }
  const offers = readOffers(headers)
  if (Result.isFailure(offers)) return Result.fail(offers.failure)
  return Result.succeed({
    version: "HTTP/1.1",
    target: head.target,
    ...target.success,
    key: key.success,
    ...offers.success,
    headers,
    secure: options?.secure
  })
}

/**
 * Reads the head of a request over HTTP/2 as a request for a WebSocket (RFC 8441 5). Fails with the rejection to send.
 *
 * **Details**
 *
 * `secure` says whether the bytes came over TLS. Leave it out if a proxy in front may have terminated TLS.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readConnect = (
  head: Http2RequestHead,
  options?: { readonly secure?: boolean | undefined }
): Result.Result<UpgradeRequest, HandshakeRejection> => {
  const { authority, headers, method, path, protocol, scheme } = head
  if (method !== "CONNECT") {
    // HTTP/2 has no upgrade: RFC 9113 8.6 removes the header, and 426 with it.
    return method === "GET" || method === "HEAD"
      ? reject("NotAnUpgrade", 400, `this is a WebSocket endpoint: over HTTP/2 ${extendedConnect}`)
      : reject("MethodNotAllowed", 405, `expected the method CONNECT, found ${quote(method)}`, [
          { name: "Allow", value: "CONNECT" }
        ])
  }
  if (protocol === undefined) return reject("NotAnUpgrade", 400, `this is no proxy: ${extendedConnect}`)
  if (protocol !== "websocket") {
    return reject("NotAnUpgrade", 501, `expected :protocol websocket, found ${quote(protocol)}`)
  }
  // RFC 8441 4: on requests with :protocol "the ':scheme' and ':path' pseudo-header fields [...] MUST also be included"
  if (path === undefined || !path.startsWith("/") || path.includes("#")) {
    return reject("InvalidTarget", 400, "expected a path without a fragment as :path")
  }
  if (scheme !== "https" && scheme !== "http") {
    return reject("InvalidTarget", 400, "expected https or http as :scheme")
  }
  const host = readAuthority(authority, headers)
  if (Result.isFailure(host)) return Result.fail(host.failure)
  if (Number(Fields.get(headers, "Content-Length") ?? 0) !== 0) {
    return reject("UnexpectedBody", 400, "expected a request without a body")
  }
  const version = readVersion(headers, 400)
  if (Result.isFailure(version)) return Result.fail(version.failure)
  const offers = readOffers(headers)
  if (Result.isFailure(offers)) return Result.fail(offers.failure)
  return Result.succeed({
    version: "HTTP/2",
    target: path,
    ...splitQuery(path),
    host: host.success,
    // RFC 8441 5: "do not do the processing of the Sec-WebSocket-Key and Sec-WebSocket-Accept header fields"
    key: undefined,
    ...offers.success,
    headers,
    secure: options?.secure
  })
}

const extendedConnect = "expected an extended CONNECT with :protocol websocket (RFC 8441)"

/**
 * Converts a request of HTTP/2 to one of HTTP/1.1, for programs that answer plain requests of both. `:authority`
 * becomes `Host`. Returns `undefined` if a part is missing.
 *
 * @category combinators
 * @since 0.1.0
 */
export const asHttp1 = ({ authority, headers, method, path }: Http2RequestHead): RequestHead | undefined => {
  if (path === undefined || !path.startsWith("/")) return undefined
  const host = readAuthority(authority, headers)
  if (Result.isFailure(host)) return undefined
  // RFC 9113 8.3.1: a recipient "MUST NOT use the Host header field to determine the target URI if ':authority' is
  // present"
  const rest = headers.filter(({ name }) => name !== "host")
  return { method, target: path, version: "HTTP/1.1", headers: [{ name: "Host", value: host.success }, ...rest] }
}

const readAuthority = (authority: string | undefined, headers: HeaderFields): Read<string> => {
  const hosts = Fields.getAll(headers, "Host")
  // RFC 9113 8.3.1: "Clients that generate HTTP/2 requests directly MUST use the ':authority' pseudo-header field". A
  // client that converts a request of HTTP/1.1 may keep Host.
  const found = authority ?? (hosts.length === 1 ? hosts[0] : undefined)
  if (found === undefined || Authority.parse(found) === undefined) {
    return reject("InvalidHost", 400, "expected a host and optionally a port as :authority")
  }
  return Result.succeed(found)
}

const readOffers = (headers: HeaderFields): Read<Pick<UpgradeRequest, "origin" | "subprotocols" | "extensions">> => {
  const origin = readUnique(headers, "Origin", "InvalidOrigin")
  if (Result.isFailure(origin)) return Result.fail(origin.failure)
  const subprotocols = readList(headers, "Sec-WebSocket-Protocol", Subprotocol.parse, "InvalidSubprotocols")
  if (Result.isFailure(subprotocols)) return Result.fail(subprotocols.failure)
  const extensions = readList(headers, "Sec-WebSocket-Extensions", ExtensionHeader.parse, "InvalidExtensions")
  if (Result.isFailure(extensions)) return Result.fail(extensions.failure)
  return Result.succeed({
    origin: origin.success,
    subprotocols: subprotocols.success,
    extensions: extensions.success
  })
}

/**
 * Returns the rejection of a request whose `Host` is missing, repeated or malformed, or `undefined` if `Host` is valid.
 * HTTP/1.0 does not require it.
 *
 * @category guards
 * @since 0.1.0
 */
export const checkHost = (head: RequestHead): HandshakeRejection | undefined => {
  if (head.version !== "HTTP/1.1" && !Fields.has(head.headers, "Host")) return undefined
  const host = readHost(head.headers)
  return Result.isFailure(host) ? host.failure : undefined
}

const readHost = (headers: HeaderFields): Read<string> => {
  const hosts = Fields.getAll(headers, "Host")
  // RFC 9112 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
  // lacks a Host header field and to any request message that contains more than one Host header field line or a Host
  // header field with an invalid field value"
  if (hosts.length !== 1) return reject("InvalidHost", 400, `expected one Host header, found ${hosts.length || "none"}`)
  return Authority.parse(hosts[0]!) === undefined
    ? reject("InvalidHost", 400, `expected a host and optionally a port in Host, found ${quote(hosts[0]!)}`)
    : Result.succeed(hosts[0]!)
}

const absolutePrefix = /^(?:https?|wss?):\/\//i

const readTarget = (target: string, hostHeader: string): Read<Pick<UpgradeRequest, "path" | "query" | "host">> => {
  let host = hostHeader
  let rest = target
  const prefix = absolutePrefix.exec(target)
  if (prefix !== null) {
    // RFC 9112 3.2.2: a server that receives the absolute form "MUST ignore the received Host header field (if any) and
    // instead replace it with the host information of the request-target"
    const end = target.slice(prefix[0].length).search(/[/?#]/)
    host = end < 0 ? target.slice(prefix[0].length) : target.slice(prefix[0].length, prefix[0].length + end)
    rest = target.slice(prefix[0].length + host.length)
    if (Authority.parse(host) === undefined) {
      return reject("InvalidTarget", 400, `expected a host and optionally a port in the request target`)
    }
    if (!rest.startsWith("/")) rest = `/${rest}`
  }
  if (!rest.startsWith("/")) {
    return reject("InvalidTarget", 400, `expected a path or an http URI as request target, found ${quote(target)}`)
  }
  // RFC 6455 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used"
  if (rest.includes("#")) return reject("InvalidTarget", 400, "expected a request target without a fragment")
  return Result.succeed({ ...splitQuery(rest), host })
}

const splitQuery = (target: string): Pick<UpgradeRequest, "path" | "query"> => {
  const question = target.indexOf("?")
  return question < 0
    ? { path: target, query: "" }
    : { path: target.slice(0, question), query: target.slice(question + 1) }
}

const readUpgradeHeaders = (headers: HeaderFields): Read<void> => {
  // RFC 6455 4.2.1: "An |Upgrade| header field containing the value 'websocket', treated as an ASCII case-insensitive
  // value"
  if (!Fields.hasListElement(headers, "Upgrade", "websocket")) {
    const reason = "this is a WebSocket endpoint: expected the header Upgrade: websocket"
    return reject("NotAnUpgrade", 426, reason, [upgradeHeader])
  }
  // RFC 6455 4.2.1: "A |Connection| header field that includes the token 'Upgrade'"
  if (!Fields.hasListElement(headers, "Connection", "Upgrade")) {
    return reject("InvalidConnection", 400, "expected the token Upgrade in the Connection header")
  }
  // RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426 response"
  return readVersion(headers, 426, [upgradeHeader])
}

const readVersion = (headers: HeaderFields, status: number, added: HeaderFields = Fields.empty): Read<void> => {
  const versions = Fields.getAll(headers, "Sec-WebSocket-Version")
  if (versions.length === 1 && versions[0] === "13") return Result.succeed(undefined)
  const found = versions.length === 0 ? "none" : quote(versions.join(", "))
  // RFC 6455 4.2.2: "If this version does not match a version understood by the server, the server MUST abort the
  // WebSocket handshake [...] and instead send an appropriate HTTP error code (such as 426 Upgrade Required) and a
  // |Sec-WebSocket-Version| header field"
  return reject("UnsupportedVersion", status, `expected Sec-WebSocket-Version: 13, found ${found}`, [
    ...added,
    { name: "Sec-WebSocket-Version", value: "13" }
  ])
}

const readUnique = (
  headers: HeaderFields,
  name: string,
  rule: HandshakeRejection["rule"]
): Read<string | undefined> => {
  const values = Fields.getAll(headers, name)
  return values.length > 1
    ? reject(rule, 400, `expected one ${name} header, found ${values.length}`)
    : Result.succeed(values[0])
}

const none: ReadonlyArray<never> = []

const readList = <A>(
  headers: HeaderFields,
  name: string,
  parse: (value: string) => Result.Result<ReadonlyArray<A>, Error>,
  rule: HandshakeRejection["rule"]
): Read<ReadonlyArray<A>> => {
  const values = Fields.getAll(headers, name)
  if (values.length === 0) return Result.succeed(none)
  const list = parse(values.join(", "))
  return Result.isFailure(list) ? reject(rule, 400, list.failure.message) : Result.succeed(list.success)
}
