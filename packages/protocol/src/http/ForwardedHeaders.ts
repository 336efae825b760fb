/**
 * The headers in which proxies describe the client of a request that they forward: `X-Forwarded-For`,
 * `X-Forwarded-Proto` and `X-Forwarded-Host`, or `Forwarded` (RFC 7239).
 *
 * A client can send these headers too, and each proxy appends to what it received. So they are read from the right, as
 * long as the addresses belong to trusted proxies. Everything to the left of the first untrusted address may be forged.
 * The caller must check first that the peer itself is trusted.
 *
 * @since 0.1.0
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Authority from "./Authority.ts"
import type { HeaderFields } from "./HeaderFields.ts"
import * as Fields from "./HeaderFields.ts"

/**
 * The headers to read: `"X-Forwarded"` for the three `X-Forwarded-` headers, `"Forwarded"` for the header of RFC 7239.
 *
 * @category models
 * @since 0.1.0
 */
export type Format = "X-Forwarded" | "Forwarded"

/**
 * The client as trusted proxies describe it. A field is `undefined` if it is missing or malformed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Forwarded {
  /** The client's address. The port is 0 if it is unknown. */
  readonly address: NetAddress.InetAddress | undefined
  /** Whether the client connected over TLS. */
  readonly secure: boolean | undefined
  /** The host that the client dialed, and the port if there is one. */
  readonly host: string | undefined
}

const nothing: Forwarded = { address: undefined, secure: undefined, host: undefined }

/**
 * Reads the client's address, scheme and host from the headers of trusted proxies.
 *
 * **Details**
 *
 * The address is the rightmost one that does not belong to a trusted proxy, or the leftmost one if all do. If an
 * address is malformed or hidden (`unknown`, `_name`), nothing to its left can be trusted. The result is then the
 * address to its right, which belongs to the proxy that wrote it.
 *
 * `secure` and `host` come from the same proxy: from the same element of `Forwarded`, or from the same position of the
 * `X-Forwarded-` headers if they have as many elements, and otherwise from their last elements.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (
  headers: HeaderFields,
  format: Format,
  isTrusted: (address: NetAddress.InetAddress) => boolean
): Forwarded => (format === "Forwarded" ? readForwarded(headers, isTrusted) : readXForwarded(headers, isTrusted))

type IsTrusted = (address: NetAddress.InetAddress) => boolean

const readXForwarded = (headers: HeaderFields, isTrusted: IsTrusted): Forwarded => {
  const nodes = elementsOf(headers, "X-Forwarded-For")
  let place = nodes.length
  let address: NetAddress.InetAddress | undefined
  while (place > 0) {
    const node = parseNode(nodes[--place]!)
    if (node === undefined) break
    address = node
    if (!isTrusted(node)) break
  }
  const beside = (name: string): string | undefined => {
    const values = elementsOf(headers, name)
    return values.length === nodes.length ? values[place] : values.at(-1)
  }
  return { address, secure: parseProtocol(beside("X-Forwarded-Proto")), host: parseHost(beside("X-Forwarded-Host")) }
}

// Empty elements count, so that an attacker cannot shift the elements that a proxy appends.
const elementsOf = (headers: HeaderFields, name: string): ReadonlyArray<string> =>
  Fields.getAll(headers, name).flatMap((value) => value.split(",").map((element) => element.trim()))

const readForwarded = (headers: HeaderFields, isTrusted: IsTrusted): Forwarded => {
  let found = nothing
  for (const value of Fields.getAll(headers, "Forwarded").toReversed()) {
    let end = value.length
    while (end >= 0) {
      const start = startOfElement(value, end)
      const element = start === undefined ? undefined : parseElement(value.slice(start, end))
      if (start === undefined || element === undefined) return found
      const address = parseNode(element.get("for") ?? "")
      found = {
        address: address ?? found.address,
        secure: parseProtocol(element.get("proto")),
        host: parseHost(element.get("host"))
      }
      if (address === undefined || !isTrusted(address)) return found
      end = start - 1
    }
  }
  return found
}

/**
 * Returns the start of the element that ends at `end`, or `undefined` if a quoted string in it has no start.
 *
 * Scans from the right, so that a quote that the client left open cannot hide what a proxy appended.
 */
const startOfElement = (value: string, end: number): number | undefined => {
  for (let at = end - 1; at >= 0; at--) {
    const character = value[at]
    if (character === ",") return at + 1
    if (character !== '"') continue
    do {
      at = value.lastIndexOf('"', at - 1)
      // A position before the first character would be taken for the first.
      if (at <= 0) return undefined
    } while (isEscaped(value, at))
  }
  return 0
}

const isEscaped = (value: string, at: number): boolean => {
  let backslashes = 0
  while (value[at - 1 - backslashes] === "\\") backslashes++
  return backslashes % 2 === 1
}

// RFC 7239 4: forwarded-pair = token "=" ( token / quoted-string ). Values that need quotes, such as 192.0.2.1:80, are
// accepted without quotes too, since they are unambiguous.
const pair = /[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:([^\s",;]+)|"((?:[^"\\]|\\.)*)")[ \t]*(?:;|$)/y

const parseElement = (element: string): ReadonlyMap<string, string> | undefined => {
  const pairs = new Map<string, string>()
  pair.lastIndex = 0
  while (pair.lastIndex < element.length) {
    const match = pair.exec(element)
    if (match === null) return undefined
    const name = match[1]!.toLowerCase()
    // RFC 7239 4: "Each parameter MUST NOT occur more than once per field-value"
    if (pairs.has(name)) return undefined
    pairs.set(name, match[2] ?? match[3]!.replace(/\\(.)/g, "$1"))
  }
  return pairs
}

// RFC 7239 6: node = nodename [ ":" node-port ], where the port may be obfuscated
const nodeWithPort = /^(?:\[([^\]]*)\]|([^:]*))(?::(?:([0-9]{1,5})|_[A-Za-z0-9._-]+))?$/

const parseNode = (node: string): NetAddress.InetAddress | undefined => {
  const match = nodeWithPort.exec(node)
  // IPv6 without brackets, as in X-Forwarded-For, does not match.
  const host = match === null ? node : (match[1] ?? match[2]!)
  if (match?.[1] !== undefined && !match[1].includes(":")) return undefined
  const address = NetAddress.inetAddressFromIpString(host, Number(match?.[3] ?? 0))
  return Result.isSuccess(address) ? NetAddress.toCanonical(address.success) : undefined
}

const parseProtocol = (protocol: string | undefined): boolean | undefined => {
  switch (protocol?.toLowerCase()) {
    case "https":
    case "wss":
      return true
    case "http":
    case "ws":
      return false
    default:
      return undefined
  }
}

const parseHost = (host: string | undefined): string | undefined =>
  host === undefined || Authority.parse(host) === undefined ? undefined : host
