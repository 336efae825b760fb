/**
 * A socket on a Node stream. Effect's adapter pulls with `readable` and `read()`, and allocates a dozen closures for
 * each connection. This one listens to `data`, shares its listeners between all connections, and implements `Push`. The
 * transports on `node:net` and `node:tls` use it, and so do other `Duplex` streams of Node: the socket of an HTTP
 * upgrade, a stream of HTTP/2.
 *
 * The socket owns the stream: no other code may read, write or end it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { Duplex } from "node:stream"
import { duplexSettings, NodeDuplex } from "./internal/NodeDuplex.ts"
import type { PushSocket } from "./Push.ts"

/**
 * Options of a socket on a Node stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeDuplexOptions {
  /**
   * Maximum time that a closed socket may take to flush and to receive the peer's FIN before it is destroyed. Bytes
   * that arrive meanwhile are discarded, so that the peer can still read what it was sent. 0 destroys the socket at
   * once and drops pending bytes. Uses the system's clock, not Effect's. Default: 2 seconds.
   */
  readonly lingerTimeout?: Duration.Input | undefined
  /** Approximate bytes read ahead of `pull`: the last chunk may exceed it. Default: 65536. */
  readonly readAhead?: number | undefined
  /**
   * Maximum time of a TLS handshake that `upgrade` starts, also inside of TLS. After it the socket is destroyed, and
   * the upgrade fails with a `SocketUpgradeError`. Default: 10 seconds.
   */
  readonly upgradeTimeout?: Duration.Input | undefined
}

/**
 * Makes a socket from an open Node stream.
 *
 * **Details**
 *
 * `head` are bytes already read from the stream, which the socket delivers first. Create the stream with
 * `allowHalfOpen: true`; otherwise the peer's FIN ends both directions.
 *
 * **Gotchas**
 *
 * The socket keeps the stream open until it is closed: acquire its `reader` in a Scope, or call `close`.
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
