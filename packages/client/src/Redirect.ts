/**
 * The rules of redirects: the new target, and whether a client may follow. A pure function of the request and the
 * response, so that the rules can be tested without a network.
 *
 * @since 0.1.0
 */
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import * as Result from "effect/Result"
import * as Target from "./Target.ts"

const statuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * The reason why a client does not follow a redirect.
 *
 * @category models
 * @since 0.1.0
 */
export interface RedirectError {
  readonly rule: "TooManyRedirects" | "InsecureRedirect" | "InvalidRedirect"
  readonly detail: string
}

/**
 * Tests whether a response is a redirect. All five status codes mean the same for a GET, which a handshake is.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRedirect = (head: Http2ResponseHead): boolean => statuses.has(head.status)

/**
 * Returns the target of a redirect.
 *
 * **Details**
 *
 * `Location` is relative to the URL that answered. A redirect from wss to ws is never followed. User information and
 * fragment of a `Location` are dropped: a server must not choose the credentials of the client.
 *
 * @category constructors
 * @since 0.1.0
 */
export const follow = (from: Target.Target, head: Http2ResponseHead): Result.Result<Target.Target, RedirectError> => {
  const locations = HeaderFields.getAll(head.headers, "Location")
  const location = locations[0]
  if (location === undefined || locations.length > 1) {
    return refuse("InvalidRedirect", `${head.status} with ${locations.length} Location headers, expected one`)
  }
  let url: URL
  try {
    url = new URL(location, from.url)
  } catch {
    return refuse("InvalidRedirect", `${head.status} with a Location that is no URL`)
  }
  // RFC 9110 10.2.2 allows a fragment here; RFC 6455 3 has no use for one.
  url.hash = ""
  // A server on the network must not reach the sockets of this machine.
  if (url.protocol.endsWith("+unix:")) return refuse("InvalidRedirect", `${head.status} to a Unix socket`)
  const isRelative = url.host === from.url.host && "path" in from.address
  const target = Target.make(url, isRelative ? from.address.path : undefined)
  if (Result.isFailure(target)) return refuse("InvalidRedirect", `${head.status}: ${target.failure.detail}`)
  if (from.secure && !target.success.secure) {
    return refuse("InsecureRedirect", `${head.status} from wss to ws, to ${Target.format(target.success)}`)
  }
  return Result.succeed({ ...target.success, userInfo: undefined })
}

const refuse = (rule: RedirectError["rule"], detail: string): Result.Result<never, RedirectError> =>
  Result.fail({ rule, detail })
