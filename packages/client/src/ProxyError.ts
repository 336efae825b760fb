/**
 * What a client reports when a proxy stands in its way: the server itself was never asked.
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
 * `status` and `headers` are those of an HTTP proxy's answer, where it gave one; `rule` tells what was wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProxyError extends Schema.TaggedError<ProxyError>("@effect-ws/client/ProxyError")("ProxyError", {
  rule: Schema.Literals(["Refused", "AuthenticationFailed", "Malformed", "UnexpectedBytes", "BrokenOff", "TlsFailed"]),
  /** The proxy, as `host:port`. */
  proxy: Schema.String,
  /** What it was asked to connect to, as `host:port`. */
  destination: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  /** The reply of a SOCKS proxy that refused (RFC 1928 6). */
  reply: Schema.optionalKey(Schema.Int),
  headers: HeaderFields.HeaderFields,
  detail: Schema.String,
  /** What the network or TLS said, where the connection to the proxy is what failed. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `the proxy ${this.proxy} opened no tunnel to ${this.destination}: ${this.detail}`
  }
}
