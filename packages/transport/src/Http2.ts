/**
 * Options of a server that speaks HTTP/2 beside HTTP/1.1. Over HTTP/2 a WebSocket is one stream of a session
 * (RFC 8441), and many streams share one TCP connection. The server handles each stream as it handles any socket.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * Options of the HTTP/2 sessions of a server.
 *
 * **Details**
 *
 * A client that floods the server loses its session. `streamResetBurst` and `streamResetRate` limit resets. Node and
 * nghttp2 limit SETTINGS, PING, CONTINUATION and invalid frames. A session that has not opened a stream yet counts as
 * a pending handshake, and has the timeout of one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Http2Options {
  /**
   * Maximum open streams of a session. Further streams are refused with REFUSED_STREAM. Once the client has
   * acknowledged the limit, a stream beyond it ends the session. Default: 100.
   */
  readonly maxStreams?: number | undefined
  /**
   * Flow-control window of a stream: maximum bytes that a client may send on it before the program reads them.
   * `maxStreams` times this bounds the memory of a session whose streams are not read. Default: 256 KiB.
   */
  readonly streamWindow?: number | undefined
  /**
   * Flow-control window of a session: maximum bytes that a client may send on all streams before Node reads them from
   * the network. It does not bound memory, because a slow program blocks only its own stream. Default: 1 MiB.
   */
  readonly sessionWindow?: number | undefined
  /**
   * Maximum bytes of the fields of a request, counted as in RFC 9113 6.5.2. A larger request has its stream reset.
   * Default: 32 KiB.
   */
  readonly maxHeaderListSize?: number | undefined
  /** How long a session stays open after its last stream has closed. Default: 60 seconds. */
  readonly idleTimeout?: Duration.Input | undefined
  /** Maximum sessions without an open stream. Beyond it, the longest idle session is closed. Default: 1024. */
  readonly maxIdleSessions?: number | undefined
  /**
   * Timeout for the first bytes of a client on a port without TLS, which show whether it speaks HTTP/1.1 or HTTP/2.
   * After it the connection is dropped. Default: 10 seconds.
   */
  readonly prefaceTimeout?: Duration.Input | undefined
  /** Maximum streams that a client may reset in one burst. Beyond it the session ends. Default: 200. */
  readonly streamResetBurst?: number | undefined
  /** Resets per second that a client may make without using up `streamResetBurst`. Default: 33. */
  readonly streamResetRate?: number | undefined
}
