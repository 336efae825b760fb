/**
 * Options of a socket over a stream of Node.
 */
import type * as Duration from "effect/Duration"

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
