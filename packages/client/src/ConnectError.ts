/**
 * The errors of a client that cannot connect, as one union. Each has a tag of its own, its message says what the client
 * asked for and what happened, and none of them contains the client's credentials.
 *
 * @since 0.1.0
 */
import type { HandshakeTimeout } from "@effect-ws/connection/HandshakeTimeout"
import type { HandshakeConfigError } from "@effect-ws/protocol/HandshakeConfigError"
import type { HttpHeadError } from "@effect-ws/protocol/HeadParser"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { SocketError } from "effect/socket/Socket"
import type { InvalidProxy } from "./HttpProxy.ts"
import type { ProxyError } from "./ProxyError.ts"
import type { UnexpectedResponse } from "./UnexpectedResponse.ts"

/**
 * Reports that dialling, the proxy's tunnel and TLS together took longer than `connectTimeout`.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectTimeout extends Schema.TaggedError<ConnectTimeout>("@effect-ws/client/ConnectTimeout")(
  "ConnectTimeout",
  { url: Schema.String, after: Schema.Duration }
) {
  override get message(): string {
    return `no connection to ${this.url} within ${Duration.format(this.after)}`
  }
}

/**
 * Reports that TLS failed. The usual cause is a certificate of an untrusted authority or of another name.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsError extends Schema.TaggedError<TlsError>("@effect-ws/client/TlsError")("TlsError", {
  url: Schema.String,
  /** The name that the certificate has to match. */
  servername: Schema.String,
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `TLS with ${this.url} failed (server name ${this.servername}): ${this.detail}`
  }
}

/**
 * Reports that the server does not support WebSockets over HTTP/2, and the option `http` allows nothing else.
 *
 * @category errors
 * @since 0.1.0
 */
export class Http2Unavailable extends Schema.TaggedError<Http2Unavailable>("@effect-ws/client/Http2Unavailable")(
  "Http2Unavailable",
  { url: Schema.String, detail: Schema.String }
) {
  override get message(): string {
    return `no WebSocket over HTTP/2 at ${this.url}: ${this.detail}; use http: "auto" or "1.1"`
  }
}

/**
 * The reason why there is no connection: an invalid URL or option, an invalid proxy in the environment, a network
 * failure, a timeout, a refusal by the proxy or by TLS, or a response that is missing, is not HTTP, or opens no
 * WebSocket.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError =
  | HandshakeConfigError
  | SocketError
  | ConnectTimeout
  | InvalidProxy
  | ProxyError
  | TlsError
  | Http2Unavailable
  | HttpHeadError
  | HandshakeTimeout
  | UnexpectedResponse
