/**
 * The faults that a network can have.
 */
import type * as Duration from "effect/Duration"

/**
 * Faults of one direction of a connection. Default of each: none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  /** Delay of each byte. Bytes in flight do not wait for each other. */
  readonly latency?: Duration.Input | undefined
  /** Maximum additional delay, drawn for each chunk; bytes keep their order. */
  readonly jitter?: Duration.Input | undefined
  /** Bytes per second. */
  readonly bandwidth?: number | undefined
  /** Size of the pieces that chunks are cut into: a maximum, or a range from which each size is drawn. */
  readonly chunkSize?: number | readonly [min: number, max: number] | undefined
  /** Pauses once, for `duration`, after this many bytes. */
  readonly stall?: { readonly after: number; readonly duration: Duration.Input } | undefined
  /**
   * Resets the connection after this many bytes: this end reads ECONNRESET, the other end sees what its transport
   * reports.
   */
  readonly resetAfter?: number | undefined
  /**
   * Passes nothing after this many bytes, neither data nor an end or a reset, as after a cut cable: writes wait, and
   * reads get nothing.
   */
  readonly blackholeAfter?: number | undefined
}
