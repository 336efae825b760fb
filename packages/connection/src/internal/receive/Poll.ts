/**
 * The taking end of a connection in callback mode. See `Polling`.
 */
import type { SendFailure } from "@effect-ws/protocol/Session"
import type { ConnectionEvent } from "../../Connection.ts"

/**
 * The taking end of a connection that is polled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Poll {
  /** Takes the events that are there, at most `max`. */
  readonly take: (max: number) => ReadonlyArray<ConnectionEvent>
  /** Whether the connection has ended, with nothing left to take. */
  readonly isEnded: boolean
  /**
   * Reports that the caller has handled what it took. Returns `true` if nothing more is there: `onReady` is called when
   * there is. Returns `false` if there is more, which the caller takes when it can.
   */
  readonly done: () => boolean
  /** Sends a message outside of any Effect; gives why it could not be sent, if it could not. */
  readonly sendSync: (data: string | Uint8Array) => SendFailure | undefined
  /** Writes what `holdsWrites` has held back. */
  readonly flushSync: () => void
}
