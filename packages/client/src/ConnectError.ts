/**
 * Every way in which a client can fail to connect, as one union of typed errors. They share three properties: their
 * messages say what was asked for and what happened, they are told apart by their tags, and none of them can hold
 * credentials of ours.
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
 * Reports that there was no connection in time: dialling, a proxy's tunnel and TLS together took too long.
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
 * Reports that TLS could not be set up: mostly a certificate that nobody we trust vouches for, or one of another name.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsError extends Schema.TaggedError<TlsError>("@effect-ws/client/TlsError")("TlsError", {
  url: Schema.String,
  /** The name that the certificate must be for. */
  servername: Schema.String,
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `no TLS with ${this.url} as ${this.servername}: ${this.detail}`
  }
}

/**
 * Reports that a server takes no WebSockets over HTTP/2, where the option `http` allows nothing else.
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
 * Why there is no connection: what we asked for cannot be asked, the environment names no proxy where it should, the
 * network failed, it took too long, the proxy or TLS refused, the answer is not HTTP, it did not come, or it opens no
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
