/**
 * What one end of a connection accepts from its peer: one home for the bounds that the session enforces.
 *
 * @since 0.1.0
 */
import * as Argument from "./Argument.ts"

/**
 * The bounds on what a peer may send. `Infinity` is no bound.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** The most bytes in a message, after decompression. More fails the connection with 1009. Default: 16 MiB. */
  readonly maxMessageSize: number
  /** The most bytes in one frame, as it is on the wire. More fails with 1009. Default: `maxMessageSize`. */
  readonly maxFrameSize: number
  /** The most frames in one message, 1 at least; empty ones count. More fails with 1008. Default: 16384. */
  readonly maxFragments: number
  /** The most pings of ours that may wait for their pong; the oldest is forgotten then. Default: 16. */
  readonly maxPendingPings: number
}

/**
 * Fills in the defaults of the limits that are not given. What has none missing is returned as it is. Throws where a
 * limit is not an integer or `Infinity`, see `Argument`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: { readonly [K in keyof Limits]?: Limits[K] | undefined }): Limits => {
  if (options !== undefined && isComplete(options)) return check(options)
  const maxMessageSize = options?.maxMessageSize ?? 16 * 1024 * 1024
  return check({
    maxMessageSize,
    maxFrameSize: options?.maxFrameSize ?? maxMessageSize,
    maxFragments: options?.maxFragments ?? 16_384,
    maxPendingPings: options?.maxPendingPings ?? 16
  })
}

const check = (limits: Limits): Limits => {
  Argument.limit("maxMessageSize", limits.maxMessageSize)
  Argument.limit("maxFrameSize", limits.maxFrameSize)
  Argument.limit("maxFragments", limits.maxFragments, 1)
  Argument.limit("maxPendingPings", limits.maxPendingPings)
  return limits
}

const isComplete = (options: { readonly [K in keyof Limits]?: Limits[K] | undefined }): options is Limits =>
  options.maxMessageSize !== undefined &&
  options.maxFrameSize !== undefined &&
  options.maxFragments !== undefined &&
  options.maxPendingPings !== undefined
