/**
 * deflate-frame (draft-tyoshino-hybi-websocket-perframe-deflate-06), also known as x-webkit-deflate-frame: compresses
 * each data frame on its own. It preceded permessage-deflate and uses the same RSV bit; a client may offer both.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Extension from "./Extension.ts"
import * as Extensions from "./Extensions.ts"
import * as DeflateTransform from "./internal/DeflateTransform.ts"

/**
 * Options of deflate-frame. Those with `peer` are requests to the other end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Compression level of outgoing frames: 1 (fastest) to 9 (smallest), 0 for none. Default: 3, which takes half the
   * time of zlib's own default of 6 above 4 KiB, for 4 to 10 % more bytes of text.
   */
  readonly level?: number | undefined
  /** Memory level of the compressor: 1 to 9, at most 2^(memLevel + 9) bytes beside the window. Default: 8. */
  readonly memLevel?: number | undefined
  /** Minimum bytes of a frame to compress; `compress` in the options of a send overrides it. Default: 1024. */
  readonly threshold?: number | undefined
  /**
   * Whether a frame that compression does not make smaller is sent uncompressed. With context takeover it is compressed
   * anyway, because otherwise the windows of the two ends would differ. Default: true.
   */
  readonly skipIfLarger?: boolean | undefined
  /** Whether this end may keep its window from one frame to the next. Default: true. */
  readonly contextTakeover?: boolean | undefined
  /** Largest window of this end, as base-2 logarithm: 8 to 15. Default: 15. */
  readonly maxWindowBits?: number | undefined
  /** Whether the other end may keep its window from one frame to the next. Default: true. */
  readonly peerContextTakeover?: boolean | undefined
  /** Largest window of the other end, as base-2 logarithm: 8 to 15. Default: 15. */
  readonly peerMaxWindowBits?: number | undefined
}

/**
 * The parameters of an offer and of an answer. Each limits the compressor of the end that receives the header.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Params = Schema.Struct({
  max_window_bits: Schema.optionalKey(Extension.integer({ minimum: 8, maximum: 15 })),
  no_context_takeover: Schema.optionalKey(Extension.Flag)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Params = typeof Params.Type

/**
 * Creates the extension. Throws a `RangeError` for an option out of range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Extension.Extension => {
  const given = { ...options }
  DeflateTransform.checkRange(given, ["level"], 0, 9)
  DeflateTransform.checkRange(given, ["memLevel"], 1, 9)
  if (options.threshold !== undefined) Argument.limit("threshold", options.threshold)
  DeflateTransform.checkRange(given, ["maxWindowBits", "peerMaxWindowBits"], 8, 15)
  const {
    level = 3,
    maxWindowBits = 15,
    memLevel = 8,
    contextTakeover = true,
    skipIfLarger = true,
    threshold = 1024
  } = options
  const asked: Params = {
    ...(options.peerMaxWindowBits === undefined ? {} : { max_window_bits: options.peerMaxWindowBits }),
    ...(options.peerContextTakeover === false ? { no_context_takeover: true } : {})
  }
  return Extension.make<Params, Params>({
    name: "deflate-frame",
    aliases: ["x-webkit-deflate-frame"],
    rsv: DeflateTransform.rsv1,
    level: "frame",
    offer: Params,
    answer: Params,
    offers: [asked],
    accept: () => asked,
    open: ({ answer, offer, role }) => {
      const [ours, theirs] = role === "server" ? [offer, answer] : [answer, offer]
      return DeflateTransform.open({
        deflate: {
          windowBits: Math.min(ours.max_window_bits ?? 15, maxWindowBits),
          contextTakeover: contextTakeover && ours.no_context_takeover !== true,
          level,
          memLevel
        },
        inflate: { windowBits: theirs.max_window_bits ?? 15, contextTakeover: theirs.no_context_takeover !== true },
        threshold,
        skipIfLarger
      })
    }
  })
}

/**
 * Provides deflate-frame: a server accepts it and a client offers it, under both names.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Extensions.layer([make(options)])
