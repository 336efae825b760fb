/**
 * The owner of a connection in callback mode. See `Polling`.
 */

/**
 * The program that polls a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Poller {
  /**
   * Called when there are events to take, or the connection has ended. What it throws is logged and aborts the
   * connection; then it is called once more, for the end.
   */
  readonly onReady: () => void
  /**
   * Called when nothing has arrived for one to two ticks of the keepalive (a tick is a quarter of the shorter of its
   * two durations). Releases memory that can be allocated again. What it throws aborts the connection. Default: nothing.
   */
  readonly onIdle?: (() => void) | undefined
  /** Whether `onReady` is called also while the peer does not read what was sent to it. Default: false. */
  readonly readsWhileBlocked?: boolean | undefined
  /** Whether `send` waits while the peer does not read, as it does without polling. Default: false. */
  readonly sendWaits?: boolean | undefined
  /**
   * Whether what is sent now is held back until `done` or `flushSync`, so that the replies to one batch leave in one
   * write. Otherwise it is written at the end of the current turn. Default: false.
   */
  readonly holdsWrites?: boolean | undefined
}
