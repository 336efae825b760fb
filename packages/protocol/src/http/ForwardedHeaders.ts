/**
 * What proxies say of the client for whom they forward a request: `X-Forwarded-For`, `X-Forwarded-Proto` and
 * `X-Forwarded-Host`, or `Forwarded` (RFC 7239).
 *
 * A client can send these headers too, and a proxy appends to what it received. So they are read from the right, as far as
 * the addresses are those of trusted proxies: what is left of the first address that is not was not written by a proxy of
 * ours. Whether the peer itself is trusted is for the caller to check first.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Authority from "./Authority.ts"
import type { HeaderFields } from "./HeaderFields.ts"
import * as Fields from "./HeaderFields.ts"

/**
 * The headers to read: `"X-Forwarded"` for the three that begin so, `"Forwarded"` for the one of RFC 7239.
 *
 * @category models
 * @since 0.1.0
 */
export type Format = "X-Forwarded" | "Forwarded"

/**
 * What trusted proxies say of a client. A field is `undefined` where they do not say, or say something malformed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Forwarded {
  /** The client's address; its port is 0 where it is not said. */
  readonly address: NetAddress.InetAddress | undefined
  /** Whether the client connected over TLS. */
  readonly secure: boolean | undefined
  /** The host, and perhaps port, that the client dialed. */
  readonly host: string | undefined
}

const nothing: Forwarded = { address: undefined, secure: undefined, host: undefined }

/**
 * Reads what trusted proxies say of the client.
 *
 * **Details**
 *
 * The address is the right-most one that is not a trusted proxy's, or the left-most one where all are. Where an address is
 * malformed or hidden (`unknown`, `_name`), nothing to its left can be believed: the address is the one to its right, which
 * is that of the proxy that wrote it.
 *
 * `secure` and `host` are those of the same proxy: those beside the address in `Forwarded`, those at the same place in the
 * `X-Forwarded-` headers where they have as many elements, else their last elements.
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

// Empty elements count: an attacker must not be able to shift what a proxy appends.
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
 * Finds where the element begins that ends at `end`; `undefined` where a quoted string in it has no beginning.
 *
 * It looks from the right, so that a quote that the client left open cannot swallow what a proxy has appended.
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

// RFC 7239 4: forwarded-pair = token "=" ( token / quoted-string ). Values that should have been quoted, such as
// 192.0.2.1:80, are taken without quotes too: they have one meaning.
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

// RFC 7239 6: node = nodename [ ":" node-port ], where a port may be an obfuscated one
const nodeWithPort = /^(?:\[([^\]]*)\]|([^:]*))(?::(?:([0-9]{1,5})|_[A-Za-z0-9._-]+))?$/

const parseNode = (node: string): NetAddress.InetAddress | undefined => {
  const match = nodeWithPort.exec(node)
  // IPv6 without brackets, as X-Forwarded-For has it, is no match.
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
