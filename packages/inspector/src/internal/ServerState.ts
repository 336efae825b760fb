/**
 * What the inspector tells about a server, as data.
 */

/**
 * What has gone over a connection, one way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Traffic {
  readonly bytes: number
  readonly frames: number
  readonly messages: number
}

/**
 * An open connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenConnection {
  readonly id: number
  /** The path of the request, without its query. */
  readonly path: string
  readonly peer: string | undefined
  readonly secure: boolean
  readonly subprotocol: string | undefined
  readonly extensions: ReadonlyArray<string>
  /** Milliseconds since the epoch. */
  readonly openedAt: number
  readonly received: Traffic
  readonly sent: Traffic
  /** Bytes that were received and not taken by the program, and sent and not taken by the system. */
  readonly buffered: { readonly inbound: number; readonly outbound: number }
  /** The last round trip in milliseconds, where there was one. */
  readonly latency: number | undefined
}

/**
 * A connection that has closed.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClosedConnection extends Omit<OpenConnection, "buffered"> {
  /** Counts the closed connections of a record from 0. */
  readonly number: number
  readonly closedAt: number
  readonly code: number
  readonly reason: string
  /** The end that began: this one, the peer, or the transport where the stream broke off. */
  readonly initiator: "local" | "remote" | "transport"
  readonly clean: boolean
  /** The rule that the peer broke, if that was why. */
  readonly violation: string | undefined
}

/**
 * A handshake that was refused.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  /** Counts the refusals of a record from 0. */
  readonly number: number
  readonly at: number
  readonly status: number | undefined
  readonly rule: string
  readonly reason: string
  readonly path: string | undefined
  readonly peer: string | undefined
}

/**
 * What all connections together have done since the record began.
 *
 * @category models
 * @since 0.1.0
 */
export interface Totals {
  readonly open: number
  readonly opened: number
  readonly closed: number
  readonly refused: number
  /** Connections that were not listed, because of `maxConnections`. */
  readonly unlisted: number
  readonly received: Traffic
  readonly sent: Traffic
}
