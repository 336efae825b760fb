/**
 * Effect's adapter for Node sockets pulls by `readable` and `read()`, and makes a dozen closures for each connection.
 * This one listens to `data`, shares its listeners between all connections, and can push, see Push.ts. The transports
 * over `node:net` and `node:tls` are made of it; so is whatever else Node hands out as a `Duplex`: the socket of an HTTP
 * upgrade, a stream of HTTP/2.
 *
 * It owns the stream: nobody else may read from it, write to it, or end it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { Duplex } from "node:stream"
import { duplexSettings, NodeDuplex } from "./internal/NodeDuplex.ts"
import type { PushSocket } from "./Push.ts"

/**
 * Options of a socket over a Node stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeDuplexOptions {
  /**
   * How long a closed socket may take to flush and to see the peer's FIN before it is destroyed. What arrives meanwhile
   * is thrown away, so that the peer can read what was sent to it. 0 destroys at once, and drops what the system has not
   * taken yet. The system's clock counts, not Effect's. Default: 2 seconds.
   */
  readonly lingerTimeout?: Duration.Input | undefined
  /** How many bytes are read ahead of `pull`, give or take one chunk. Default: 65536. */
  readonly readAhead?: number | undefined
  /**
   * How long a TLS handshake that `upgrade` begins may take, also one inside of TLS. Then the socket is destroyed, and the
   * upgrade fails with a `SocketUpgradeError`. Default: 10 seconds.
   */
  readonly upgradeTimeout?: Duration.Input | undefined
}

/**
 * Makes an open Node stream a socket.
 *
 * **Details**
 *
 * `head` is what somebody else already read from the stream: it comes before all else. The stream should have been made
 * with `allowHalfOpen: true`; otherwise the peer's FIN ends both directions.
 *
 * **Gotchas**
 *
 * The socket holds the stream open until it is closed: acquire its `reader` in a Scope, or call `close`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDuplex = (
  stream: Duplex,
  options?: NodeDuplexOptions & { readonly head?: Uint8Array | undefined }
): PushSocket => {
  const duplex = new NodeDuplex(stream, duplexSettings(options, false))
  if (options?.head !== undefined) duplex.putBack(options.head)
  return duplex
}
