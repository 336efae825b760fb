/**
 * Parses a URL into what a client needs: the address to dial, whether to use TLS, the request target, and the
 * credentials of the URL. All parsing happens here, so that user information is removed before anything can log or send
 * it.
 *
 * @since 0.1.0
 */
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import { HandshakeConfigError } from "@effect-ws/protocol/HandshakeConfigError"
import type { DialAddress } from "@effect-ws/transport/Dialer"
import * as Result from "effect/Result"

/**
 * A server to connect to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  /** The URL with scheme ws or wss, without user information or fragment. */
  readonly url: URL
  /** Whether to use TLS. */
  readonly secure: boolean
  /** Address of the server: host and port without brackets, or the path of a Unix socket. */
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string }
  /** User information of the URL, if any. */
  readonly userInfo: ClientAuth.ClientCredentials | undefined
}

/** The WebSocket scheme for each supported scheme, and whether it names a Unix socket. */
const schemes: ReadonlyMap<string, { readonly scheme: "ws:" | "wss:"; readonly isUnix: boolean }> = new Map([
  ["ws:", { scheme: "ws:", isUnix: false }],
  ["wss:", { scheme: "wss:", isUnix: false }],
  ["http:", { scheme: "ws:", isUnix: false }],
  ["https:", { scheme: "wss:", isUnix: false }],
  ["ws+unix:", { scheme: "ws:", isUnix: true }],
  ["wss+unix:", { scheme: "wss:", isUnix: true }]
])

/**
 * Parses a URL.
 *
 * **Details**
 *
 * The schemes are ws, wss, http, https, and `ws+unix:PATH[:/TARGET]` (or `wss+unix:`), which names a Unix socket and,
 * after a colon, the request target; its host is `localhost`. With `socketPath`, a URL of another scheme goes to that
 * Unix socket. A URL with a fragment is invalid. No error repeats the URL, which may contain a password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (input: string | URL, socketPath?: string): Result.Result<Target, HandshakeConfigError> => {
  let url: URL
  try {
    url = new URL(input)
  } catch {
    return invalid("expected a URL such as wss://host/path")
  }
  const scheme = schemes.get(url.protocol)
  if (scheme === undefined) {
    return invalid(`expected a URL of scheme ws, wss, http, https, ws+unix or wss+unix, found ${url.protocol}`)
  }
  // RFC 6455 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used"
  if (url.href.includes("#")) return invalid("expected a URL without a fragment")
  if (scheme.isUnix) return ofUnixSocket(url, scheme.scheme, socketPath)
  const userInfo = userInfoOf(url)
  if (userInfo === "malformed") return invalid("expected user information in valid percent-encoding")
  // Assigning an unchanged value would parse the URL again.
  if (userInfo !== undefined) url.username = url.password = ""
  if (url.protocol !== scheme.scheme) url.protocol = scheme.scheme
  const secure = scheme.scheme === "wss:"
  const address =
    socketPath === undefined
      ? { host: hostOf(url), port: url.port === "" ? (secure ? 443 : 80) : Number(url.port) }
      : { path: socketPath }
  return Result.succeed({ url, secure, address, userInfo })
}

const ofUnixSocket = (
  url: URL,
  scheme: "ws:" | "wss:",
  socketPath: string | undefined
): Result.Result<Target, HandshakeConfigError> => {
  if (url.host !== "" || socketPath !== undefined) {
    return invalid("expected the path of a Unix socket in the URL, without a host and without another path beside it")
  }
  const colon = url.pathname.indexOf(":")
  const path = percentDecoded(colon < 0 ? url.pathname : url.pathname.slice(0, colon))
  const target = colon < 0 ? "/" : url.pathname.slice(colon + 1)
  if (path === undefined || path === "" || !target.startsWith("/")) {
    return invalid(`expected ${url.protocol}PATH:/TARGET with the path of a Unix socket`)
  }
  return Result.succeed({
    url: new URL(`${scheme}//localhost${target}${url.search}`),
    secure: scheme === "wss:",
    address: { path },
    userInfo: undefined
  })
}

const userInfoOf = (url: URL): ClientAuth.ClientCredentials | "malformed" | undefined => {
  if (url.username === "" && url.password === "") return undefined
  const username = percentDecoded(url.username)
  const password = percentDecoded(url.password)
  return username === undefined || password === undefined ? "malformed" : ClientAuth.password(username, password)
}

const percentDecoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const hostOf = (url: URL): string => (url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname)

const invalid = (detail: string): Result.Result<never, HandshakeConfigError> =>
  Result.fail(new HandshakeConfigError({ rule: "InvalidUrl", detail }))

/**
 * Tests whether two targets have the same origin: the same scheme, host, port and Unix socket. What the program gives
 * for one origin is not sent to another.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSameOrigin = (a: Target, b: Target): boolean =>
  a.url.protocol === b.url.protocol && a.url.host === b.url.host && sameAddress(a.address, b.address)

const sameAddress = (a: DialAddress, b: DialAddress): boolean =>
  ("path" in a ? a.path : undefined) === ("path" in b ? b.path : undefined)

/**
 * Formats a target for messages as scheme, host and path. Omits the query, which may contain a token.
 *
 * @category rendering
 * @since 0.1.0
 */
export const format = (target: Target): string => `${target.url.protocol}//${target.url.host}${target.url.pathname}`
