/**
 * The list of trusted proxies, whose statements about the client are believed: by their address, or because they
 * connect over a Unix socket.
 *
 * This module does not read those statements: the handshake reads HTTP headers, and the listening server reads the
 * PROXY protocol header.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { PeerInfo } from "./Push.ts"

/**
 * A validated list of trusted proxies, see {@link make}.
 *
 * @category models
 * @since 0.1.0
 */
export interface TrustedProxies {
  readonly networks: ReadonlyArray<IpNetwork.IpNetwork>
  /** Whether every peer on a Unix socket is trusted. */
  readonly unix: boolean
}

/**
 * Validates a list of trusted proxies.
 *
 * **Details**
 *
 * An entry is an IPv4 or IPv6 address (`"192.0.2.1"`, `"2001:db8::1"`), a range in CIDR notation (`"10.0.0.0/8"`), or
 * `"unix"` for all peers on Unix sockets. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) counts as the IPv4 address.
 *
 * **Gotchas**
 *
 * Throws a `TypeError` that names an invalid entry. A range must not have bits set after its prefix: `"10.0.0.1/8"` is
 * more likely a mistake than a range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (entries: ReadonlyArray<string>): TrustedProxies => ({
  networks: Arr.flatMap(entries, (entry, at) => (entry === "unix" ? [] : [parse(entry, at)])),
  unix: entries.includes("unix")
})

const parse = (entry: string, at: number): IpNetwork.IpNetwork => {
  const network =
    typeof entry !== "string"
      ? undefined
      : entry.includes("/")
        ? IpNetwork.fromString(entry)
        : Result.flatMap(NetAddress.ipFromString(entry), (address) => {
            const canonical = NetAddress.toCanonical(address)
            return IpNetwork.make(canonical, NetAddress.width(canonical))
          })
  if (network !== undefined && Result.isSuccess(network)) return network.success
  throw new TypeError(
    `trustedProxies[${at}]: expected an IP address, a range such as "10.0.0.0/8" or "unix", found ${JSON.stringify(entry)}` +
      (network === undefined ? "" : ` (${network.failure.message})`)
  )
}

/**
 * Tests whether an address belongs to a trusted proxy.
 *
 * @category guards
 * @since 0.1.0
 */
export const hasAddress = (self: TrustedProxies, address: NetAddress.SocketAddress | undefined): boolean => {
  if (address === undefined || NetAddress.isUnixPathAddress(address)) return false
  const ip = NetAddress.toCanonical(address.address)
  return self.networks.some((network) => IpNetwork.contains(network, ip))
}

/**
 * Tests whether a peer is a trusted proxy.
 *
 * @category guards
 * @since 0.1.0
 */
export const hasPeer = (
  self: TrustedProxies,
  { localAddress, remoteAddress }: Pick<PeerInfo, "localAddress" | "remoteAddress">
): boolean =>
  // The system does not know the client's end of a Unix socket.
  hasAddress(self, remoteAddress) ||
  (self.unix && localAddress !== undefined && NetAddress.isUnixPathAddress(localAddress))
