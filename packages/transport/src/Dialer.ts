/**
 * A client has to open sockets to addresses that it only learns at run time: from a URL, a redirect, a proxy setting.
 * `Dialer` is the service that does it, so that a program (or a test) chooses the network by a Layer: TCP, TLS, Unix
 * sockets, or memory.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Socket from "effect/socket/Socket"

/**
 * Where to dial: a host and port, a path (of a Unix socket, or a name of the memory network), or the `address` of a
 * `SocketServer`.
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
   * How long connecting (with TLS: up to the end of its handshake) may take. Infinity is for
   * who bounds it otherwise. Default: the Layer's, 10 seconds.
   */
  readonly connectTimeout?: Duration.Input | undefined
}

/**
 * Makes sockets that connect to an address.
 *
 * **Details**
 *
 * `dial` itself does nothing on the network: acquiring the socket's `reader` connects, and fails with a `SocketOpenError`
 * that names the address; closing that Scope disconnects. Each acquisition is a new connection.
 *
 * **Gotchas**
 *
 * Acquire the `reader` first: a `writer` acquired while connected is bound to that connection and can push; one acquired
 * before waits for a connection at each write and cannot.
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
 * Renders an address for messages: `host:port`, or the path.
 *
 * @category rendering
 * @since 0.1.0
 */
export const formatAddress = (address: DialAddress): string => {
  // The name of an abstract socket begins with NUL, which Linux's own tools show as "@".
  if ("path" in address) return address.path.startsWith("\0") ? `@${address.path.slice(1)}` : address.path
  const { host, port } = hostPort(address)
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Returns the name by which TLS knows a host, for SNI and for the check of its certificate.
 *
 * **Details**
 *
 * The dot at the end of an absolute name, as in `example.com.`, is for DNS alone. RFC 6066 3: "The hostname is represented
 * as a byte string using ASCII encoding without a trailing dot."
 *
 * @category accessors
 * @since 0.1.0
 */
export const serverName = (host: string): string => (host.endsWith(".") ? host.slice(0, -1) : host)

/**
 * Gives the host and port to connect to, for an address that is not a path.
 *
 * @category accessors
 * @since 0.1.0
 */
export const hostPort = (
  address: Exclude<DialAddress, { readonly path: string }>
): { readonly host: string; readonly port: number } =>
  "host" in address ? address : { host: NetAddress.formatIp(address.address), port: address.port }
