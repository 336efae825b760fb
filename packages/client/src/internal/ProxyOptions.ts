/**
 * What a client knows about one proxy.
 */
import type { ClientCredentials } from "@effect-ws/protocol/ClientAuth"
import type { TlsOptions } from "./TlsOptions.ts"

/**
 * A proxy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proxy {
  /** Protocol of the proxy; `https` is HTTP over TLS. */
  readonly kind: "http" | "https" | "socks5"
  readonly host: string
  readonly port: number
  /**
   * Credentials for the proxy: a password or a token for HTTP, a password for SOCKS5. Never sent to a server. Default:
   * none.
   */
  readonly credentials?: ClientCredentials | undefined
  /**
   * When to send credentials to an HTTP proxy: with the first request (a password as Basic), or only in answer to a
   * 407. Default: "preemptive", as in curl.
   */
  readonly sendCredentials?: "preemptive" | "on-challenge" | undefined
  /**
   * Schemes that the client answers at an HTTP proxy. Without Basic, no password is sent preemptively. Default: all
   * three.
   */
  readonly authSchemes?: ReadonlyArray<"Basic" | "Digest" | "Bearer"> | undefined
  /** TLS options for an `https` proxy; those for the server behind it are separate. Default: those of Node. */
  readonly tls?: TlsOptions | undefined
}
