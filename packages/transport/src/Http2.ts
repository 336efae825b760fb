/**
 * What a server that speaks HTTP/2 beside HTTP/1.1 may be told. A WebSocket is one stream of a session then (RFC 8441),
 * and many share one TCP connection; to the server above, each is a socket like any other.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * Options of the HTTP/2 sessions of a server.
 *
 * **Details**
 *
 * Floods end the session: of resets (`streamResetBurst`), of SETTINGS, PING, CONTINUATION and invalid frames by the
 * limits that Node and nghttp2 have. A session that opens no stream counts and is timed as a handshake under way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Http2Options {
  /**
   * Maximum streams of a session that are open at a time. More are refused with REFUSED_STREAM, and end the session of
   * a client that has acknowledged the limit. Default: 100.
   */
  readonly maxStreams?: number | undefined
  /**
   * Bytes that a client may send on a stream beyond what the program has read. `maxStreams` times this bounds the
   * memory of a session whose streams are not read. Default: 256 KiB.
   */
  readonly streamWindow?: number | undefined
  /**
   * Bytes that a client may send on all streams of a session beyond what we have taken off the network. It bounds no
   * memory, since a slow program holds back its own stream only. Default: 1 MiB.
   */
  readonly sessionWindow?: number | undefined
  /** Bytes of the fields of a request, counted as RFC 9113 6.5.2 says; more resets the stream. Default: 32 KiB. */
  readonly maxHeaderListSize?: number | undefined
  /** How long a session without an open stream is kept. Default: 60 seconds. */
  readonly idleTimeout?: Duration.Input | undefined
  /** Maximum sessions without an open stream; the one that is idle for the longest time is closed first. Default: 1024. */
  readonly maxIdleSessions?: number | undefined
  /**
   * How long a client of a port without TLS may take until its first bytes tell which version it speaks; then it is
   * dropped. Default: 10 seconds.
   */
  readonly prefaceTimeout?: Duration.Input | undefined
  /** How many streams a client may reset at once; beyond `streamResetRate` the session ends. Default: 200. */
  readonly streamResetBurst?: number | undefined
  /** How many resets are forgiven for each second. Default: 33. */
  readonly streamResetRate?: number | undefined
}
