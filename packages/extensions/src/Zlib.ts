/**
 * Compression as a service: the part of zlib that the deflate extensions need, with a default implementation on
 * `node:zlib`.
 *
 * **Details**
 *
 * One instance serves the whole process. A short payload is processed in the calling turn, a long one on Node's thread
 * pool, where at most `concurrency` run at once and the others wait. `memoryBudget` bounds the memory of all contexts.
 * Above it, the compressors that have been idle longest lose their window. If that does not suffice, messages are sent
 * uncompressed, and a connection that needs a context to decompress is closed with 1013.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as NativeZlib from "./internal/NativeZlib.ts"
import * as PortableZlib from "./internal/PortableZlib.ts"
import type { Service } from "./internal/ZlibTypes.ts"

export type {
  Deferred,
  Deflater,
  DeflaterOptions,
  InflateFailure,
  Inflater,
  InflaterOptions,
  Service
} from "./internal/ZlibTypes.ts"

/**
 * Options of the implementation on `node:zlib`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Maximum bytes to compress in the calling turn, and an eighth of the maximum bytes to decompress in it. Longer
   * payloads go to the thread pool. Default: 32 KiB.
   */
  readonly inlineBytes?: number | undefined
  /** Maximum payloads that the thread pool processes at once; the others wait. Default: 3 of its usual 4 threads. */
  readonly concurrency?: number | undefined
  /** Maximum bytes of all contexts together. Default: 256 MiB. */
  readonly memoryBudget?: number | undefined
}

/**
 * Creates the implementation on `node:zlib`.
 *
 * **Details**
 *
 * It drives the streams of `node:zlib` below their public API, because only that works synchronously on a context that
 * is kept. It tests for this first; on a runtime without it, it does the same as {@link makePortable}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Service => {
  const settings = fillIn(options)
  return NativeZlib.isAvailable() ? NativeZlib.make(settings) : PortableZlib.make(settings)
}

/**
 * Creates an implementation that uses only the public API of `node:zlib`.
 *
 * **Details**
 *
 * Every message is compressed with an empty window, and takes about three times as long. No context is kept, so
 * `memoryBudget` has no effect. Decompressing with takeover keeps a window of 2^windowBits bytes.
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
 * The zlib service in use. Default: one per process with default options, created on first use.
 *
 * @category services
 * @since 0.1.0
 */
export const Zlib: Context.Reference<Service> = Context.Reference("@effect-ws/extensions/Zlib", {
  defaultValue: () => make()
})

/**
 * Provides a zlib service on `node:zlib` with these options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Layer.sync(Zlib, () => make(options))
