/**
 * How a server's handshake is decided: the types of `Accept`, for the code that carries a decision out.
 */
import type * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import type * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Socket from "effect/socket/Socket"
import type { AnsweredAsHttp } from "../../AnsweredAsHttp.ts"
import type { Connection } from "../../Connection.ts"
import type * as Peer from "../../Peer.ts"

/**
 * What an acceptance says beside yes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Acceptance {
  /** The subprotocol to speak, one of those the client offered. Default: as the option `subprotocols` says. */
  readonly subprotocol?: string | undefined
  /**
   * The names of the extensions that may be used, a subset of those that the server has; `[]` is none. Which of them
   * are used, and how, is negotiated with the client. Default: all that the server has.
   */
  readonly extensions?: ReadonlyArray<string> | undefined
  /** Headers to add to the response, such as cookies. Default: none. */
  readonly headers?: HeaderFields.Input | undefined
  /** What the connection's `context` holds, such as who the user is. Default: nothing. */
  readonly context?: Context.Context<never> | undefined
}

/**
 * A request together with who sent it.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandshakeRequest extends UpgradeRequest {
  /** The client's address and TLS identity, as far as the transport and trusted proxies know them. */
  readonly peer: Peer.Peer
  /** What a policy before the decision found out, such as who the user is; empty where there is none. */
  readonly context: Context.Context<never>
}

/**
 * Decides over a request: what is accepted, or a `HandshakeRejection` with the status and text to answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Decide<R = never> = (
  request: HandshakeRequest
) => Effect.Effect<Acceptance, HandshakeRejection.HandshakeRejection, R>

/**
 * An HTTP response to a request that is no handshake, such as a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface HttpAnswer {
  readonly status: number
  readonly headers: HeaderFields.Input
  readonly body: Uint8Array
}

/**
 * Why a socket did not become a connection. The peer has its answer already, where one could be given.
 *
 * @category errors
 * @since 0.1.0
 */
export type AcceptError = HandshakeRejection.HandshakeRejection | AnsweredAsHttp | Socket.SocketError

/**
 * Hears how a handshake ended: with a connection, or with why there is none. The peer has its answer by then.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandshakeOwner {
  readonly handshakeDone: (exit: Exit.Exit<Connection, AcceptError>) => void
  /**
   * Receives the client that a trusted proxy forwards the request for, before the decision. What it returns refuses the
   * request.
   */
  readonly forwarded?: ((peer: Peer.Peer) => HandshakeRejection.HandshakeRejection | undefined) | undefined
}

/**
 * How far the client's part of a handshake has come: it has sent nothing, a part of its request, or all of it.
 *
 * @category models
 * @since 0.1.0
 */
export type HandshakeProgress = "silent" | "partial" | "complete"
