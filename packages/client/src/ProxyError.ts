/**
 * The error of a client whose proxy opens no tunnel: the server never received a request.
 *
 * @since 0.1.0
 */
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Schema from "effect/Schema"

/**
 * Reports that a proxy did not open a tunnel.
 *
 * **Details**
 *
 * `status` and `headers` are those of an HTTP proxy's response, if any; `rule` classifies the failure.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProxyError extends Schema.TaggedError<ProxyError>("@effect-ws/client/ProxyError")("ProxyError", {
  rule: Schema.Literals(["Refused", "AuthenticationFailed", "Malformed", "UnexpectedBytes", "BrokenOff", "TlsFailed"]),
  /** The proxy, as `host:port`. */
  proxy: Schema.String,
  /** The destination of the tunnel, as `host:port`. */
  destination: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  /** The reply code of a SOCKS proxy that refused (RFC 1928 6). */
  reply: Schema.optionalKey(Schema.Int),
  headers: HeaderFields.HeaderFields,
  detail: Schema.String,
  /** The error of the network or of TLS, when the connection to the proxy failed. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `proxy ${this.proxy} opened no tunnel to ${this.destination}: ${this.detail}`
  }
}
