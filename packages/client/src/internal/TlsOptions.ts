/**
 * TLS options of a client, for servers and for proxies.
 */
import type * as Tls from "@effect-ws/transport/Tls"

/**
 * TLS options of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  /** Certificate authorities that the client trusts. Default: those of Node. */
  readonly ca?: Tls.Pem | ReadonlyArray<Tls.Pem> | undefined
  /**
   * Certificate and key for a server that requests one. Not sent to another origin after a redirect. Default: none.
   */
  readonly identity?: Tls.Identity | undefined
  /**
   * Server name for SNI, and the name that the server's certificate must match. Not used for another origin after a
   * redirect. Default: the URL's host, `localhost` for a Unix socket.
   */
  readonly servername?: string | undefined
  /** Whether the client verifies the server's certificate. `false` is insecure; for tests only. Default: true. */
  readonly rejectUnauthorized?: boolean | undefined
}
