/**
 * Compression as a service: what the deflate extensions need of zlib, and the implementation on `node:zlib` that is
 * there unless another is provided.
 *
 * **Details**
 *
 * One instance serves the whole process. A short payload is worked on in the calling turn, a long one on Node's thread
 * pool, where at most `concurrency` run at once and the others wait their turn. The memory of compression contexts is
 * bounded by `memoryBudget`: above it, compressors that have been idle longest lose their window, then messages leave
 * uncompressed, and a connection that needs a context to decompress is closed with 1013.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as NativeZlib from "./internal/NativeZlib.ts"
import * as PortableZlib from "./internal/PortableZlib.ts"

/**
 * Work that does not finish in this turn. It is started once, or never; `done` is called once, in a later turn.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deferred<A> {
  readonly _tag: "Deferred"
  readonly start: (done: (result: A) => void) => void
}

/**
 * Why a payload was not decompressed: it is not a deflate stream, it is longer than the limit, or there is no memory
 * for a context.
 *
 * @category models
 * @since 0.1.0
 */
export type InflateFailure = "InvalidData" | "TooBig" | "OutOfMemory"

/**
 * What a compressor is to be like.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeflaterOptions {
  /** The base-2 logarithm of the window: 8 to 15. No distance in the output may exceed the window. */
  readonly windowBits: number
  /** The compression level: 0 (none) to 9 (smallest). */
  readonly level: number
  /** How much memory to use beside the window: 1 to 9. */
  readonly memLevel: number
  /** Whether the window is kept from one message to the next. */
  readonly contextTakeover: boolean
}

/**
 * What a decompressor is to be like.
 *
 * @category models
 * @since 0.1.0
 */
export interface InflaterOptions {
  /** The base-2 logarithm of the window: 8 to 15. */
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
   * The output is complete, as raw deflate, up to an empty block without compression. The last four bytes of that block,
   * 00 00 FF FF, are left off where `last`. "OutOfMemory" is possible for the first piece of a message only; nothing has
   * happened then. A window may be dropped between messages at any time.
   */
  readonly deflate: (
    input: Uint8Array,
    last: boolean
  ) => Uint8Array | "OutOfMemory" | Deferred<Uint8Array | "OutOfMemory">
  /** Releases what is held; work that is under way is not reported any more. */
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
   * Decompresses the next piece of a message; `last` ends the message, and 00 00 FF FF is understood to follow it.
   *
   * **Details**
   *
   * Stops with "TooBig" as soon as the output exceeds `limit` bytes. A final block does not end the message. A message
   * that ends inside a block is "InvalidData". The work is proportional to the bytes that go in and come out.
   */
  readonly inflate: (
    input: Uint8Array,
    last: boolean,
    limit: number
  ) => Uint8Array | InflateFailure | Deferred<Uint8Array | InflateFailure>
  /** Releases what is held; work that is under way is not reported any more. */
  readonly close: () => void
}

/**
 * The service.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** Creates a compressor; it takes memory when it is first used. */
  readonly deflater: (options: DeflaterOptions) => Deflater
  /** Creates a decompressor; it takes memory when it is first used. */
  readonly inflater: (options: InflaterOptions) => Inflater
}

/**
 * What the implementation on `node:zlib` may use.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The most bytes to compress in the calling turn, and an eighth of the most bytes to decompress in it. Longer work
   * goes to the thread pool. Default: 32 KiB.
   */
  readonly inlineBytes?: number | undefined
  /** How many payloads are worked on at once on the thread pool; the others wait. Default: 3 of its usual 4 threads. */
  readonly concurrency?: number | undefined
  /** The bytes that all contexts together may take. Default: 256 MiB. */
  readonly memoryBudget?: number | undefined
}

/**
 * Creates the implementation on `node:zlib`.
 *
 * **Details**
 *
 * It drives the streams of `node:zlib` below their public API, which alone can work synchronously on a context that is
 * kept. Where a runtime does not have that, which is tried out first, it does the same as {@link makePortable}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Service => {
  const settings = fillIn(options)
  return NativeZlib.isAvailable() ? NativeZlib.make(settings) : PortableZlib.make(settings)
}

/**
 * Creates an implementation on the public API of `node:zlib` alone.
 *
 * **Details**
 *
 * Every message is compressed with an empty window, and takes about three times as long. No context is kept, so
 * `memoryBudget` means nothing here; decompressing with takeover keeps the window of 2^windowBits bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makePortable = (options?: Options): Service => PortableZlib.make(fillIn(options))

const fillIn = (options: Options | undefined): NativeZlib.Settings => ({
  inlineBytes: Argument.limit("inlineBytes", options?.inlineBytes ?? 32 * 1024),
  concurrency: Argument.limit("concurrency", options?.concurrency ?? 3, 1),
  memoryBudget: Argument.limit("memoryBudget", options?.memoryBudget ?? 256 * 1024 * 1024)
})

/**
 * The zlib service in use. Default: one for the process, made with the default options when it is first asked for.
 *
 * @category services
 * @since 0.1.0
 */
export const Zlib: Context.Reference<Service> = Context.Reference("@effect-ws/extensions/Zlib", {
  defaultValue: () => make()
})

/**
 * Provides a zlib service on `node:zlib` with options of its own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Layer.sync(Zlib, () => make(options))
