/**
 * The options and errors of a client's handshake: the types of `Connect`, for the code that does it.
 */
import type * as Negotiation from "@effect-ws/extensions/Negotiation"
import type * as ClientHandshake from "@effect-ws/protocol/ClientHandshake"
import type { HandshakeConfigError } from "@effect-ws/protocol/HandshakeConfigError"
import type { HeadLimits, HttpHeadError } from "@effect-ws/protocol/HeadParser"
import type * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import type * as Http2Head from "@effect-ws/protocol/Http2Head"
import type * as HttpHead from "@effect-ws/protocol/HttpHead"
import type * as Push from "@effect-ws/transport/Push"
import type * as Duration from "effect/Duration"
import type * as Socket from "effect/socket/Socket"
import type * as ConnectionOptions from "../../ConnectionOptions.ts"
import type { HandshakeTimeout } from "../../HandshakeTimeout.ts"

/**
 * What the client's side of a handshake may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectOptions extends ConnectionOptions.ConnectionOptions, HeadLimits {
  /** The subprotocols to offer, best first. Default: none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** The `Origin` header, as a browser would send it. Default: none. */
  readonly origin?: string | undefined
  /** Headers to add to the request. Default: none. */
  readonly headers?: HeaderFields.Input | undefined
  /** How long the server may take to answer the handshake. Default: 10 seconds. */
  readonly handshakeTimeout?: Duration.Input | undefined
  /** The most 1xx responses, such as 103, that may come before the answer. They are skipped. Default: 8. */
  readonly maxInterimResponses?: number | undefined
}

/**
 * Why a socket did not become a connection: what we asked for cannot be asked, the answer is not HTTP, it is no
 * acceptance, it agrees to what was not offered, it did not come, or the socket failed.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError =
  | HandshakeConfigError
  | HttpHeadError
  | ClientHandshake.HandshakeError
  | Negotiation.NegotiationError
  | HandshakeTimeout
  | Socket.SocketError

/**
 * An answer that opened no WebSocket, as far as it was read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  readonly head: HttpHead.ResponseHead | Http2Head.Http2ResponseHead
  /** What came behind the head. */
  readonly early: ReadonlyArray<Uint8Array>
  /** The open connection, paused until it has a subscriber. */
  readonly reader: Push.PushReader
}
