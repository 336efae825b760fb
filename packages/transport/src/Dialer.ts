/**
 * The service that opens sockets to addresses known only at run time: from a URL, a redirect, a proxy setting. A
 * program or a test chooses the network by a Layer: TCP, TLS, Unix sockets or memory.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Socket from "effect/socket/Socket"

/**
 * The address to dial: a host and port, a path (of a Unix socket, or a name in the memory network), or the `address` of
 * a `SocketServer`.
 *
 * @category models
 * @since 0.1.0
 */
export type DialAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | NetAddress.SocketAddress

/**
 * Options of one dial.
 *
 * @category models
 * @since 0.1.0
 */
export interface DialOptions {
  /**
   * Maximum time to connect, with TLS until the end of its handshake. Infinity: no limit. Default: that of the Layer,
   * 10 seconds.
   */
  readonly connectTimeout?: Duration.Input | undefined
}

/**
 * Makes sockets that connect to an address.
 *
 * **Details**
 *
 * `dial` itself does nothing on the network. Acquiring the socket's `reader` connects, and fails with a
 * `SocketOpenError` that names the address. Closing that Scope disconnects. Each acquisition is a new connection.
 *
 * **Gotchas**
 *
 * Acquire `reader` first. A `writer` acquired while connected is bound to that connection and implements `PushWriter`.
 * A `writer` acquired earlier waits for a connection at each write, and does not.
 *
 * @category services
 * @since 0.1.0
 */
export class Dialer extends Context.Service<
  Dialer,
  {
    readonly dial: (address: DialAddress, options?: DialOptions) => Effect.Effect<Socket.Socket>
  }
>()("@effect-ws/transport/Dialer") {}

/**
 * Formats an address for messages: `host:port`, or the path.
 *
 * @category rendering
 * @since 0.1.0
 */
export const formatAddress = (address: DialAddress): string => {
  // The name of an abstract socket starts with NUL, which Linux tools show as "@".
  if ("path" in address) return address.path.startsWith("\0") ? `@${address.path.slice(1)}` : address.path
  const { host, port } = hostPort(address)
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Returns the host name for TLS: the SNI name, which the certificate has to match.
 *
 * **Details**
 *
 * The trailing dot of an absolute name, as in `example.com.`, is for DNS only. RFC 6066 3: "The hostname is represented
 * as a byte string using ASCII encoding without a trailing dot."
 *
 * @category accessors
 * @since 0.1.0
 */
export const serverName = (host: string): string => (host.endsWith(".") ? host.slice(0, -1) : host)

/**
 * Returns the host and port of an address that is not a path.
 *
 * @category accessors
 * @since 0.1.0
 */
export const hostPort = (
  address: Exclude<DialAddress, { readonly path: string }>
): { readonly host: string; readonly port: number } =>
  "host" in address ? address : { host: NetAddress.formatIp(address.address), port: address.port }
