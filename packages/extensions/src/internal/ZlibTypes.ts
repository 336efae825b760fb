/**
 * What compressors and decompressors are: the types of `Zlib`, for its implementations.
 */

/**
 * Work that does not finish in this turn. It starts at most once, and calls `done` once, in a later turn.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deferred<A> {
  readonly _tag: "Deferred"
  readonly start: (done: (result: A) => void) => void
}

/**
 * The reason why a payload was not decompressed: it is not a deflate stream, it exceeds the limit, or the budget has no
 * room for a context.
 *
 * @category models
 * @since 0.1.0
 */
export type InflateFailure = "InvalidData" | "TooBig" | "OutOfMemory"

/**
 * Options of a compressor.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeflaterOptions {
  /** Base-2 logarithm of the window: 8 to 15. No distance in the output may exceed the window. */
  readonly windowBits: number
  /** Compression level: 0 (none) to 9 (smallest). */
  readonly level: number
  /** Memory level: 1 to 9. */
  readonly memLevel: number
  /** Whether the window is kept from one message to the next. */
  readonly contextTakeover: boolean
}

/**
 * Options of a decompressor.
 *
 * @category models
 * @since 0.1.0
 */
export interface InflaterOptions {
  /** Base-2 logarithm of the window: 8 to 15. */
  readonly windowBits: number
  /** Whether the window is kept from one message to the next. */
  readonly contextTakeover: boolean
}

/**
 * A compressor of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deflater {
  /**
   * Compresses the next piece of a message; `last` ends the message.
   *
   * **Details**
   *
   * The output is complete raw deflate, up to an empty uncompressed block. With `last`, the last four bytes of that
   * block, 00 00 FF FF, are omitted. "OutOfMemory" is possible for the first piece of a message only, and then nothing
   * has happened. The window may be dropped between messages at any time.
   */
  readonly deflate: (
    input: Uint8Array,
    last: boolean
  ) => Uint8Array | "OutOfMemory" | Deferred<Uint8Array | "OutOfMemory">
  /** Releases resources; running work no longer reports a result. */
  readonly close: () => void
}

/**
 * A decompressor of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Inflater {
  /**
   * Decompresses the next piece of a message. `last` ends the message, which 00 00 FF FF implicitly follows.
   *
   * **Details**
   *
   * Stops with "TooBig" as soon as the output exceeds `limit` bytes. A final block does not end the message. A message
   * that ends inside a block is "InvalidData". The cost is proportional to input and output bytes.
   */
  readonly inflate: (
    input: Uint8Array,
    last: boolean,
    limit: number
  ) => Uint8Array | InflateFailure | Deferred<Uint8Array | InflateFailure>
  /** Releases resources; running work no longer reports a result. */
  readonly close: () => void
}

/**
 * The service.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** Creates a compressor, which allocates memory on first use. */
  readonly deflater: (options: DeflaterOptions) => Deflater
  /** Creates a decompressor, which allocates memory on first use. */
  readonly inflater: (options: InflaterOptions) => Inflater
}
