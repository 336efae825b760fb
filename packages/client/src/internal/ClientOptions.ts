/**
 * Options of a client's connection, which every step of connecting reads.
 */
import type * as Connect from "@effect-ws/connection/Connect"
import type * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import type * as Duration from "effect/Duration"
import type * as HttpProxy from "../HttpProxy.ts"
import type { TlsOptions } from "./TlsOptions.ts"

/**
 * Options of a client, in addition to those of its handshake and its connection.
 *
 * **Details**
 *
 * `headers`, `credentials` and `tls.identity` belong to the origin of the URL. The client does not send them to another
 * origin after a redirect, nor after a later redirect back to the first origin.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions extends Connect.ConnectOptions {
  /** Path of a Unix socket to dial in place of the URL's host. Default: none. */
  readonly socketPath?: string | undefined
  /** TLS options. Default: those of Node. */
  readonly tls?: TlsOptions | undefined
  /**
   * HTTP version of the handshake. `"2"` makes the connection a stream of an HTTP/2 session (RFC 8441) that connections
   * to the same origin share, see `Http2Sessions`; without TLS the client needs prior knowledge that the server
   * supports it. `"auto"` does so on TLS when the server supports it, and otherwise falls back to HTTP/1.1. The
   * fallback costs a second dial when the server speaks HTTP/2 without WebSockets. Default: `"1.1"`, because few
   * servers support RFC 8441, and most programs can afford a TCP connection of their own.
   */
  readonly http?: "1.1" | "2" | "auto" | undefined
  /** Maximum time that dialling, the proxy's tunnel and TLS take together, for each attempt. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Maximum number of redirects that the client follows. With 0, a redirect is an unexpected response. Default: 10. */
  readonly maxRedirects?: number | undefined
  /**
   * Credentials for the server: `ClientAuth.password` for Basic and Digest, `ClientAuth.token` for Bearer. Default: the
   * user information of the URL, if any.
   */
  readonly credentials?: ClientAuth.ClientCredentials | undefined
  /**
   * When to send credentials: with the first request (a password as Basic), or only in answer to a 401. Default:
   * "on-challenge" for a password, "preemptive" for a token.
   */
  readonly sendCredentials?: "preemptive" | "on-challenge" | undefined
  /** Authentication schemes that the client answers. Default: all three. */
  readonly authSchemes?: ReadonlyArray<"Basic" | "Digest" | "Bearer"> | undefined
  /** Proxy to connect through, or `"none"`. Default: the proxy that `HttpProxy.CurrentPolicy` chooses. */
  readonly proxy?: HttpProxy.Proxy | "none" | undefined
  /** Maximum bytes of an unexpected response's body that the error keeps. Default: 64 KiB. */
  readonly maxBodyBytes?: number | undefined
  /** Maximum time to wait for the body of an unexpected response. Default: 2 seconds. */
  readonly bodyTimeout?: Duration.Input | undefined
}
