/**
 * The key of limits per remote address. Each IPv4 address is one peer. An IPv6 host can choose any address of its /64
 * (RFC 4291 2.5.1), so each /64 is one peer.
 *
 * @since 0.1.0
 */
import * as NetAddress from "effect/net/NetAddress"

/**
 * Returns the key under which limits per remote address count a peer. Returns `undefined` for a peer without an address
 * of its own: a peer on a Unix socket, or one that the transport does not know.
 *
 * **Details**
 *
 * An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) counts as the IPv4 address. The port does not count.
 *
 * @category rendering
 * @since 0.1.0
 */
export const addressKey = (remoteAddress: NetAddress.SocketAddress | undefined): string | undefined => {
  if (remoteAddress === undefined || NetAddress.isUnixPathAddress(remoteAddress)) return undefined
  const address = NetAddress.toCanonical(remoteAddress.address)
  if (NetAddress.isIpv4Address(address)) return NetAddress.formatIp(address)
  const network = NetAddress.ipv6ToSegments(address).slice(0, 4)
  return `${network.map((segment) => segment.toString(16)).join(":")}::/64`
}
