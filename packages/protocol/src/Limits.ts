/**
 * The limits on what a peer sends, which the session enforces.
 *
 * @since 0.1.0
 */
import * as Argument from "./Argument.ts"

/**
 * Limits on what a peer may send. `Infinity` means no limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** Maximum bytes of a message, after decompression. A larger one fails the connection with 1009. Default: 16 MiB. */
  readonly maxMessageSize: number
  /** Maximum payload bytes of a frame on the wire. A larger one fails with 1009. Default: `maxMessageSize`. */
  readonly maxFrameSize: number
  /** Maximum frames of a message, at least 1. Empty frames count. More fail with 1008. Default: 16384. */
  readonly maxFragments: number
  /** Maximum pings of this end that wait for a pong. The oldest is forgotten when there are more. Default: 16. */
  readonly maxPendingPings: number
}

/**
 * Fills in the defaults of missing limits. Returns a complete record unchanged. Throws if a limit is neither an integer
 * nor `Infinity`, see `Argument`.
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
