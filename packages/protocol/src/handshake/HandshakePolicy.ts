/**
 * The checks that most servers make before they accept a WebSocket: the path, the origin, the subprotocol and the
 * extensions.
 *
 * Each check is a pure function from a request to a result or a rejection, and `decide` makes all of them. A program
 * adds checks of its own and rejects in the same way.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Authority from "../http/Authority.ts"
import type { ExtensionOffer } from "./ExtensionHeader.ts"
import { HandshakeRejection } from "./HandshakeRejection.ts"
import type { UpgradeRequest } from "./ServerHandshake.ts"
import * as Subprotocol from "./Subprotocol.ts"

/**
 * The origins that may open a WebSocket: that of the server itself, any, or a list.
 *
 * @category models
 * @since 0.1.0
 */
export type Origins = "same-origin" | "any" | ReadonlyArray<string>

/**
 * Chooses the extensions to use from those that the client offered, with the parameters of the answer.
 *
 * @category models
 * @since 0.1.0
 */
export type NegotiateExtensions = (offers: ReadonlyArray<ExtensionOffer>) => ReadonlyArray<ExtensionOffer>

/**
 * The requests that a server accepts.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandshakePolicy {
  /** The paths that exist, compared exactly and without the query. Default: every path. */
  readonly paths?: ReadonlyArray<string> | undefined
  /** The origins admitted. Default `"same-origin"`. */
  readonly origins?: Origins | undefined
  /** The subprotocols spoken, by preference of the server. Default none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** The negotiation of extensions. Default: none is accepted. */
  readonly negotiate?: NegotiateExtensions | undefined
}

/**
 * What server and client use: the data that `ServerHandshake.acceptResponse` takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandshakeDecision {
  readonly subprotocol: string | undefined
  readonly extensions: ReadonlyArray<ExtensionOffer>
}

/**
 * Checks the path of a request against the paths that exist.
 *
 * @category guards
 * @since 0.1.0
 */
export const checkPath = (
  request: Pick<UpgradeRequest, "path">,
  paths: ReadonlyArray<string>
): Result.Result<void, HandshakeRejection> =>
  paths.includes(request.path)
    ? Result.succeed(undefined)
    : Result.fail(
        // RFC 6455 4.2.2: "If the requested service is not available, the server MUST send an appropriate HTTP error
        // code (such as 404 Not Found)"
        new HandshakeRejection({ rule: "UnknownLocation", status: 404, reason: "nothing is served at this path" })
      )

/**
 * Checks the origin of a request.
 *
 * **Details**
 *
 * A request without an origin passes: every browser sends one, and other clients can send any.
 *
 * `"same-origin"` requires that host and port of the origin equal those that the client dialed. A missing port is the
 * default port of the scheme: `https` if the request is known to have come over TLS, and otherwise the scheme of the
 * origin, since a proxy in front may have terminated TLS. So a page loaded over plain HTTP cannot use a server that
 * terminates TLS itself. Listed origins are compared by scheme, host and port. `null` passes only if it is listed.
 *
 * @category guards
 * @since 0.1.0
 */
export const checkOrigin = (
  request: Pick<UpgradeRequest, "origin" | "host" | "secure">,
  origins: Origins = "same-origin"
): Result.Result<void, HandshakeRejection> => {
  const { origin } = request
  // RFC 6455 4.2.1: "A connection attempt lacking this header field SHOULD NOT be interpreted as coming from a browser
  // client"
  if (origin === undefined || origins === "any") return Result.succeed(undefined)
  const admitted = origins === "same-origin" ? isSameOrigin(request, origin) : isListed(origin, origins)
  return admitted
    ? Result.succeed(undefined)
    : Result.fail(
        new HandshakeRejection({
          rule: "ForbiddenOrigin",
          status: 403,
          reason: `the origin ${quote(origin)} may not connect to this server: ${why(request, origins)}`
        })
      )
}

// Says only what the client sent, not the origins that the program lists.
const why = ({ host, secure }: Pick<UpgradeRequest, "host" | "secure">, origins: Origins): string =>
  origins === "same-origin"
    ? `it is not that of the host asked for, ${quote(secure === true ? `https://${host}` : host)}`
    : "it is not among those admitted"

const quote = (text: string): string => JSON.stringify(text.slice(0, 256))

const isSameOrigin = (request: Pick<UpgradeRequest, "host" | "secure">, text: string): boolean => {
  const origin = Authority.parseOrigin(text)
  const host = Authority.parse(request.host)
  if (origin === undefined || host === undefined) return false
  if (origin.scheme !== "http" && origin.scheme !== "https") return false
  const scheme = request.secure === true ? "https" : origin.scheme
  return Authority.equalsOrigin(origin, { scheme, host: host.host, port: host.port })
}

const isListed = (text: string, origins: ReadonlyArray<string>): boolean => {
  const origin = Authority.parseOrigin(text)
  if (origin === undefined) return origins.includes(text)
  return origins.some((candidate) => {
    const listed = Authority.parseOrigin(candidate)
    return listed !== undefined && Authority.equalsOrigin(origin, listed)
  })
}

/**
 * Checks the path and the origin of a request. Only these two can refuse it.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (
  request: Pick<UpgradeRequest, "path" | "origin" | "host" | "secure">,
  policy: Pick<HandshakePolicy, "paths" | "origins">
): Result.Result<void, HandshakeRejection> => {
  if (policy.paths !== undefined) {
    const location = checkPath(request, policy.paths)
    if (Result.isFailure(location)) return location
  }
  return checkOrigin(request, policy.origins)
}

/**
 * Makes all checks of a policy: path, origin, subprotocol, extensions.
 *
 * **Details**
 *
 * If both ends have no subprotocol in common, the handshake continues without one, and the client decides whether to
 * keep the connection.
 *
 * @category combinators
 * @since 0.1.0
 */
export const decide = (
  request: UpgradeRequest,
  policy: HandshakePolicy
): Result.Result<HandshakeDecision, HandshakeRejection> => {
  const checked = check(request, policy)
  if (Result.isFailure(checked)) return Result.fail(checked.failure)
  return Result.succeed({
    subprotocol: Subprotocol.select(policy.subprotocols ?? [], request.subprotocols),
    extensions: policy.negotiate?.(request.extensions) ?? []
  })
}
