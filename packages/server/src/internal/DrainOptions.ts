/**
 * How a server drains its connections.
 */
import type * as Duration from "effect/Duration"

/**
 * Options of a drain.
 *
 * @category models
 * @since 0.1.0
 */
export interface DrainOptions {
  /**
   * Close code to send. A code that may not be sent is a defect in the fiber that calls `drain`. Default: 1001, going
   * away; 1012 announces a restart.
   */
  readonly code?: number | undefined
  /**
   * Close reason to send. A reason over 123 bytes is a defect in the fiber that calls `drain`. Default: "server
   * shutting down".
   */
  readonly reason?: string | undefined
  /**
   * Time for which `isReady` is false and `readyPath` answers 503 while the server still works: as long as the load
   * balancer needs to notice. Default: 0.
   */
  readonly notReadyFor?: Duration.Input | undefined
  /**
   * Time over which the connections are closed, evenly and one after the other, so that their clients do not connect to
   * other nodes all at once. After it the drain closes the rest. Default: 0, all at once.
   */
  readonly over?: Duration.Input | undefined
  /**
   * Each client is asked to wait a random part of this time before it connects again, by a close with 1012 and the
   * reason of `RestartReason`. `Reconnect` honours it. Replaces `reason`. Default: clients are not asked.
   */
  readonly retryDelay?: Duration.Input | undefined
  /** Time until the server drops the sockets that are left. Default: the server's `drainTimeout`. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Treatment of connections that arrive during the drain. `"reject"` answers them with 503. `"stopListening"` stops
   * listening, so that they reach another process on the same port or descriptor; handshakes that are under way finish,
   * and their connections are drained too. A transport that cannot stop listening before its Scope closes rejects
   * instead. Default: the server's `newConnectionsWhileDraining`.
   */
  readonly newConnections?: "reject" | "stopListening" | undefined
}
