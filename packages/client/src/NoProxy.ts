/**
 * The hosts that a client connects to without a proxy: the syntax of the environment variable `NO_PROXY`. No standard
 * defines it. This module implements what curl, Go and Python agree on, and their additions where these do not
 * conflict.
 *
 * @since 0.1.0
 */
import { BlockList, isIP } from "node:net"

/**
 * One entry of a list.
 *
 * @category models
 * @since 0.1.0
 */
export type Entry =
  | { readonly _tag: "All" }
  | { readonly _tag: "Name"; readonly name: string; readonly port: number | undefined }
  | { readonly _tag: "Network"; readonly network: BlockList; readonly port: number | undefined }

/**
 * Parses a list whose entries are separated by commas or spaces.
 *
 * **Details**
 *
 * `*` matches every host. `example.com`, `.example.com` and `*.example.com` match that host and its subdomains. An IP
 * address matches in every notation, and `10.0.0.0/8` matches a network. An entry may end in `:PORT`; an IPv6 address
 * with a port is in brackets. Any other entry matches nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (list: string): ReadonlyArray<Entry> =>
  list
    .split(/[\s,]+/)
    .filter((text) => text !== "")
    .map(parseEntry)
    .filter((entry) => entry !== undefined)

const parseEntry = (text: string): Entry | undefined => {
  if (text === "*") return { _tag: "All" }
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*|[^:]*:[^:]*:.*?))(?::([0-9]{1,5}))?$/.exec(text) ?? []
  // An IPv6 address without brackets has no port: its last group only looks like a port.
  const isBare = isIP(text) === 6 || (text.includes("/") && isIP(text.slice(0, text.indexOf("/"))) === 6)
  const host = isBare ? text : (bracketed ?? plain)
  const port = isBare || digits === undefined ? undefined : Number(digits)
  if (host === undefined || host === "") return undefined
  const [address = "", prefix] = host.split("/")
  const family = isIP(address)
  if (family === 0) {
    const name = host
      .toLowerCase()
      .replace(/^\*?\./, "")
      .replace(/\.$/, "")
    return name === "" ? undefined : { _tag: "Name", name, port }
  }
  const most = family === 4 ? 32 : 128
  const length = prefix === undefined ? most : /^[0-9]{1,3}$/.test(prefix) ? Number(prefix) : most + 1
  if (length > most) return undefined
  const network = new BlockList()
  network.addSubnet(address, length, family === 4 ? "ipv4" : "ipv6")
  return { _tag: "Network", network, port }
}

/**
 * Tests whether the list contains a host, with or without brackets, and its port.
 *
 * @category guards
 * @since 0.1.0
 */
export const matches = (
  entries: ReadonlyArray<Entry>,
  destination: { readonly host: string; readonly port: number }
): boolean => {
  const host = destination.host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
  const family = isIP(host)
  return entries.some((entry) => {
    if (entry._tag === "All") return true
    if (entry.port !== undefined && entry.port !== destination.port) return false
    return entry._tag === "Network"
      ? family !== 0 && entry.network.check(host, family === 4 ? "ipv4" : "ipv6")
      : host === entry.name || (family === 0 && host.endsWith(`.${entry.name}`))
  })
}
