/**
 * The questions that most servers ask before they accept a WebSocket: is there something at this path, may a page of
 * this origin talk to us, which subprotocol do we speak. Each is a pure function from a request to an answer or a
 * rejection; `decide` asks them all. A program that needs more asks its own questions and rejects in the same way.
 */
import * as Result from "effect/Result"
import * as Authority from "../http/Authority.ts"
import type { ExtensionOffer } from "./ExtensionHeader.ts"
import { HandshakeRejection } from "./HandshakeRejection.ts"
import type { UpgradeRequest } from "./ServerHandshake.ts"
import * as Subprotocol from "./Subprotocol.ts"

/**
 * Which origins may open a WebSocket: those that the request's own host serves, any, or those listed.
 *
 * @category models
 * @since 0.1.0
 */
export type Origins = "same-origin" | "any" | ReadonlyArray<string>

/**
 * Chooses, from what the client offered, the extensions in use, with the parameters to answer.
 *
 * @category models
 * @since 0.1.0
 */
export type NegotiateExtensions = (offers: ReadonlyArray<ExtensionOffer>) => ReadonlyArray<ExtensionOffer>

/**
 * What a server accepts.
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
 * What was agreed on with a client: the data that `ServerHandshake.acceptResponse` takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandshakeDecision {
  readonly subprotocol: string | undefined
  readonly extensions: ReadonlyArray<ExtensionOffer>
}

/**
 * Checks the path of a request against those that exist.
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
 * A request without an origin passes: no browser leaves it out, and another client could write there what it likes.
 * `"same-origin"` wants host and port of the origin to equal those that the client dialed. A port that is not written is
 * the default one of the scheme: `https` if the request is known to have come over TLS, else that of the origin, since
 * a proxy in front may have ended TLS. So a page loaded over plain HTTP cannot use a server that sees TLS itself. Listed
 * origins are compared with scheme, host and port; `null` passes only where it is listed.
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

// What is compared is what the client sent; the origins that a program lists are its own business.
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
 * Checks the path and the origin of a request: what a policy refuses.
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
 * Asks all questions of a policy: location, origin, subprotocol, extensions.
 *
 * **Details**
 *
 * Where no subprotocol is common to both, the handshake goes on without one, and the client decides whether to stay.
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
