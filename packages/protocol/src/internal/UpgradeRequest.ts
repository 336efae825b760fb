/**
 * A request for a WebSocket, whichever version of HTTP it came over.
 */
import type { ExtensionOffer } from "../handshake/ExtensionHeader.ts"
import type { HeaderFields } from "../http/HeaderFields.ts"

/**
 * A well-formed request for a WebSocket.
 *
 * @category models
 * @since 0.1.0
 */
export interface UpgradeRequest {
  /** How it was asked: by an upgrade of HTTP/1.1, or by an extended CONNECT of HTTP/2 (RFC 8441). */
  readonly version: "HTTP/1.1" | "HTTP/2"
  /** The request target as received; over HTTP/2 it is `:path`. */
  readonly target: string
  /** The path of the target, percent-encoded as received; starts with `/`. */
  readonly path: string
  /** What follows `?` in the target, or the empty string. */
  readonly query: string
  /** The host and, if given, the port that the client dialed, as received. */
  readonly host: string
  /** The `Origin` header as received; browsers always send it, others seldom. */
  readonly origin: string | undefined
  /** The `Sec-WebSocket-Key`; HTTP/2 has none. */
  readonly key: string | undefined
  /** The subprotocols offered, by preference of the client, without duplicates. */
  readonly subprotocols: ReadonlyArray<string>
  /** The extensions offered, by preference of the client. */
  readonly extensions: ReadonlyArray<ExtensionOffer>
  /** All header fields of the request, those read into the properties above included. */
  readonly headers: HeaderFields
  /** Whether the request came over TLS, where that is known. */
  readonly secure: boolean | undefined
}
