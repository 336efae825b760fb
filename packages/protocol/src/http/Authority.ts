/**
 * Hosts with ports, as in the `Host` and `Origin` headers (RFC 3986 3.2, RFC 6454 7).
 *
 * The same-origin check compares them. It compares parsed values, so case and default ports make no difference, and two
 * different hosts that look alike are never equal.
 *
 * @since 0.1.0
 */

/**
 * A host in lower case, with the brackets of an IPv6 address, and the port if there is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Authority {
  readonly host: string
  readonly port: number | undefined
}

/**
 * An origin with a scheme, a host and a port. The opaque origin `null` has none of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Origin extends Authority {
  readonly scheme: string
}

// RFC 3986 3.2.2: reg-name = *( unreserved / pct-encoded / sub-delims ), which includes IPv4 addresses
const registeredName = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/
const ipv6Characters = /^\[[0-9A-Fa-f:.]{2,45}\]$/
const portNumber = /^[0-9]{1,5}$/
const schemeName = /^[A-Za-z][A-Za-z0-9+\-.]*$/

/**
 * Parses `host[:port]`, or returns `undefined` if it is malformed or has no host.
 *
 * **Details**
 *
 * User information makes the value malformed. An empty port, as in `example.com:`, is the default port.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (value: string): Authority | undefined => {
  const colon = value.lastIndexOf(":")
  const hasPort = colon > value.lastIndexOf("]")
  const host = hasPort ? value.slice(0, colon) : value
  if (!(isIpv6Literal(host) || registeredName.test(host))) return undefined
  const digits = hasPort ? value.slice(colon + 1) : ""
  if (digits === "") return { host: host.toLowerCase(), port: undefined }
  const port = Number(digits)
  return portNumber.test(digits) && port <= 65535 ? { host: host.toLowerCase(), port } : undefined
}

// The groups need not form an address: a malformed one equals no host that exists.
const isIpv6Literal = (host: string): boolean => ipv6Characters.test(host) && host.includes(":")

/**
 * Parses the serialization of an origin, `scheme://host[:port]`, or returns `undefined` if it is anything else.
 *
 * **Details**
 *
 * Returns `undefined` for the opaque origin `null`, which equals nothing, not even itself.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseOrigin = (value: string): Origin | undefined => {
  const end = value.indexOf("://")
  if (end < 0) return undefined
  const scheme = value.slice(0, end)
  const authority = parse(value.slice(end + 3))
  return authority === undefined || !schemeName.test(scheme)
    ? undefined
    : { scheme: scheme.toLowerCase(), host: authority.host, port: authority.port }
}

/**
 * Returns the default port of a scheme of HTTP or WebSocket.
 *
 * @category getters
 * @since 0.1.0
 */
export const defaultPort = (scheme: string): number | undefined => {
  switch (scheme) {
    case "http":
    case "ws":
      return 80
    case "https":
    case "wss":
      return 443
    default:
      return undefined
  }
}

/**
 * Returns whether two origins have the same scheme, host and port. A missing port is the default port.
 *
 * @category guards
 * @since 0.1.0
 */
export const equalsOrigin = (a: Origin, b: Origin): boolean =>
  a.scheme === b.scheme && a.host === b.host && (a.port ?? defaultPort(a.scheme)) === (b.port ?? defaultPort(b.scheme))
