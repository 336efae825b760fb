/**
 * The peer of a connection: its address, and its identity by TLS. Behind a trusted proxy it is
 * the client that the proxy forwards for.
 *
 * @since 0.1.0
 */
import * as ForwardedHeaders from "@effect-ws/protocol/ForwardedHeaders"
import type { HeaderFields } from "@effect-ws/protocol/HeaderFields"
import { unknownPeer } from "@effect-ws/transport/internal"
import type { PeerInfo } from "@effect-ws/transport/Push"
import * as TrustedProxies from "@effect-ws/transport/TrustedProxies"

/**
 * The peer of a connection.
 *
 * **Details**
 *
 * Where a trusted proxy forwards, `remoteAddress` is the client's as the proxy says, with port 0 where it does not say
 * the port, and `secure` tells whether the client used TLS. The other TLS fields say nothing then: TLS ended at the
 * proxy, and the proxy's own certificate must not pass for the client's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peer extends PeerInfo {
  /** The trusted proxy whose word this is; `undefined` where the peer is connected directly. */
  readonly proxy?: PeerInfo | undefined
}

/**
 * The peer of which nothing is known, as over a socket that is not of our transports.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unknown: Peer = unknownPeer

/**
 * Which proxies to believe, and which of the headers that they send.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForwardingOptions {
  /**
   * The proxies in front of this server: addresses, ranges such as `"10.0.0.0/8"`, and `"unix"` for all peers over Unix
   * sockets. What they say of the client in the headers named by `forwardedHeaders` is believed. Default: none.
   */
  readonly trustedProxies?: ReadonlyArray<string> | undefined
  /**
   * The headers that the trusted proxies set: `"X-Forwarded"` for `X-Forwarded-For`, `-Proto` and `-Host`, or
   * `"Forwarded"` for the one of RFC 7239. The others are not read, since a proxy that does not know a header passes on
   * what the client wrote there. Default: `"X-Forwarded"`.
   */
  readonly forwardedHeaders?: ForwardedHeaders.Format | undefined
}

/**
 * What trusted proxies say of the client, and the peer that follows from it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForwardedPeer {
  readonly peer: Peer
  /** The host that the client dialed, where a proxy says so. */
  readonly host: string | undefined
}

/**
 * Creates the function that tells which client a peer forwards a request for; `undefined` where the peer is not a
 * trusted proxy.
 *
 * **Gotchas**
 *
 * Throws a `TypeError` that names an entry of `trustedProxies` which is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const forwarding = (
  options: ForwardingOptions
): ((peer: PeerInfo, headers: HeaderFields) => ForwardedPeer | undefined) => {
  const { forwardedHeaders = "X-Forwarded" } = options
  const trusted = TrustedProxies.make(options.trustedProxies ?? [])
  if (trusted.networks.length === 0 && !trusted.unix) return () => undefined
  const isTrusted = (address: NonNullable<PeerInfo["remoteAddress"]>): boolean =>
    TrustedProxies.hasAddress(trusted, address)
  return (proxy, headers) => {
    if (!TrustedProxies.hasPeer(trusted, proxy)) return undefined
    const { address, host, secure } = ForwardedHeaders.read(headers, forwardedHeaders, isTrusted)
    const peer: Peer = {
      ...unknown,
      remoteAddress: address ?? proxy.remoteAddress,
      localAddress: proxy.localAddress,
      secure: secure ?? proxy.secure,
      proxy
    }
    return { peer, host }
  }
}
