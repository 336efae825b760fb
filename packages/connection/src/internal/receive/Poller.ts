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
  /** There is something to take. Must not throw. */
  readonly onReady: () => void
  /**
   * Nothing has arrived for a while, between one and two ticks of the keepalive: a quarter of its shorter time. Lets go
   * of memory that can be made again. Must not throw. Default: nothing.
   */
  readonly onIdle?: (() => void) | undefined
  /** Whether to be called also for a peer that does not read what it is sent. Default: false. */
  readonly readsWhileBlocked?: boolean | undefined
  /** Whether `send` waits while the peer does not read, as it does without polling. Default: false. */
  readonly sendWaits?: boolean | undefined
  /**
   * Whether what is sent now is held back until `done` or `flushSync`, so that the replies to one batch leave in one
   * write. Otherwise it is written at the end of the current turn. Default: false.
   */
  readonly holdsWrites?: boolean | undefined
}
