/**
 * The close reason of a server that restarts and tells its clients how long to wait before they connect again, so that
 * not all of them come at once. It goes with close code 1012. Any client can read it: `restarting, retry after 1500
 * ms`.
 *
 * @since 0.1.0
 */

/**
 * The longest wait that a client accepts, in milliseconds: one minute.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDelay = 60_000

/**
 * Returns the close reason that asks a client to wait, with the delay rounded to milliseconds.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (delayMillis: number): string => `restarting, retry after ${Math.round(delayMillis)} ms`

/**
 * Returns for how many milliseconds a close asks the client to wait: 0 if it does not, and at most `maxDelay`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const delayOf = (code: number, reason: string): number => {
  const match = code === 1012 ? /^restarting, retry after (\d{1,9}) ms$/.exec(reason) : null
  return match === null ? 0 : Math.min(Number(match[1]), maxDelay)
}
