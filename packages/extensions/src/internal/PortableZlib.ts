/**
 * The zlib service on the public API of `node:zlib`, which works on whole buffers only: every message is compressed with
 * an empty window, and the pieces of a compressed message are gathered until it ends.
 *
 * @internal
 */
import * as NodeZlib from "node:zlib"
import type * as Zlib from "../Zlib.ts"
import { join } from "./Arena.ts"
import { Jobs } from "./Jobs.ts"
import type { Settings } from "./NativeZlib.ts"

const finishFlush = NodeZlib.constants.Z_SYNC_FLUSH

const emptyBlock = Uint8Array.of(0x00, 0x00, 0x00, 0xff, 0xff)
const tail = Uint8Array.of(0x00, 0x00, 0xff, 0xff)
const noBytes = new Uint8Array(0)

/** @internal */
export const make = (settings: Settings): Zlib.Service => {
  const jobs = new Jobs(settings.concurrency)
  return {
    deflater: (options) => new PortableDeflater(settings, jobs, options),
    inflater: (options) => new PortableInflater(settings, jobs, options)
  }
}

class PortableDeflater implements Zlib.Deflater {
  private readonly settings: Settings
  private readonly jobs: Jobs
  private readonly options: NodeZlib.ZlibOptions
  private closed = false

  constructor(settings: Settings, jobs: Jobs, options: Zlib.DeflaterOptions) {
    this.settings = settings
    this.jobs = jobs
    // A window of 2^9 stands in for 2^8: see NativeHandle.
    const { level, memLevel, windowBits } = options
    this.options = { level, memLevel, windowBits: Math.max(9, windowBits), finishFlush }
  }

  deflate(input: Uint8Array, last: boolean): Uint8Array | Zlib.Deferred<Uint8Array> {
    const finish = (output: Uint8Array): Uint8Array => (last ? output.subarray(0, output.length - 4) : output)
    if (input.length === 0) return finish(emptyBlock)
    if (input.length <= this.settings.inlineBytes) return finish(bytes(NodeZlib.deflateRawSync(input, this.options)))
    return defer(
      this.jobs,
      () => this.closed,
      (end) => NodeZlib.deflateRaw(input, this.options, (_, output) => end(finish(bytes(output))))
    )
  }

  close(): void {
    this.closed = true
  }
}

class PortableInflater implements Zlib.Inflater {
  private readonly settings: Settings
  private readonly jobs: Jobs
  private readonly windowSize: number
  private readonly takeover: boolean
  private closed = false
  private window: Uint8Array = noBytes
  private pieces: Array<Uint8Array> = []
  private length = 0

  constructor(settings: Settings, jobs: Jobs, options: Zlib.InflaterOptions) {
    this.settings = settings
    this.jobs = jobs
    this.windowSize = 2 ** options.windowBits
    this.takeover = options.takeover
  }

  inflate(
    input: Uint8Array,
    last: boolean,
    limit: number
  ): Uint8Array | Zlib.InflateFailure | Zlib.Deferred<Uint8Array | Zlib.InflateFailure> {
    this.pieces.push(input)
    this.length += input.length
    // Gathering must be bounded too: incompressible data grow by five bytes in 16 KiB, and a little.
    if (this.length > limit + (limit >>> 8) + 1024) return "TooBig"
    if (!last) return noBytes
    const whole = join([...this.pieces, tail], this.length + 4)
    this.pieces = []
    this.length = 0
    const streams = this.streams(whole, limit)
    return whole.length <= this.settings.inlineBytes
      ? inflateInline(streams)
      : defer(
          this.jobs,
          () => this.closed,
          (end) => inflateOnThreadPool(streams, end)
        )
  }

  // Decompresses streams one behind the other: a final block ends one. Asks its driver to inflate each.
  private *streams(whole: Uint8Array, limit: number): Streams {
    const pieces: Array<Uint8Array> = []
    let length = 0
    // Nothing behind a final block is nothing for the tail to complete.
    for (let at = 0; at < whole.length - (at === 0 ? 0 : 4);) {
      const { buffer, engine } = yield {
        input: whole.subarray(at),
        options: {
          finishFlush,
          info: true,
          windowBits: Math.log2(this.windowSize),
          maxOutputLength: Math.max(1, limit - length),
          ...(this.window.length > 0 ? { dictionary: this.window } : {})
        }
      }
      pieces.push(bytes(buffer))
      length += buffer.length
      if (length > limit) return "TooBig"
      if (engine.bytesWritten === 0) return "Garbage"
      at += engine.bytesWritten
      this.keep(buffer)
    }
    return join(pieces, length)
  }

  private keep(output: Uint8Array): void {
    if (!this.takeover) return
    const window = join([this.window, output], this.window.length + output.length)
    this.window = window.slice(Math.max(0, window.length - this.windowSize))
  }

  close(): void {
    this.closed = true
    this.window = noBytes
    this.pieces = []
  }
}

/** What `node:zlib` gives with the option `info`. */
interface Inflated {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

type Streams = Generator<
  { readonly input: Uint8Array; readonly options: NodeZlib.ZlibOptions },
  Uint8Array | Zlib.InflateFailure,
  Inflated
>

const failureOf = (error: unknown): Zlib.InflateFailure =>
  (error as { readonly code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? "TooBig" : "Garbage"

const inflateInline = (streams: Streams): Uint8Array | Zlib.InflateFailure => {
  let step = streams.next()
  while (step.done !== true) {
    try {
      const inflated = NodeZlib.inflateRawSync(step.value.input, step.value.options) as unknown as Inflated
      step = streams.next(inflated)
    } catch (error) {
      return failureOf(error)
    }
  }
  return step.value
}

const inflateOnThreadPool = (streams: Streams, end: (result: Uint8Array | Zlib.InflateFailure) => void): void => {
  const go = (step: ReturnType<Streams["next"]>): void => {
    if (step.done === true) return end(step.value)
    NodeZlib.inflateRaw(step.value.input, step.value.options, (error, inflated) =>
      error === null ? go(streams.next(inflated as unknown as Inflated)) : end(failureOf(error))
    )
  }
  go(streams.next())
}

const bytes = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

const defer = <A>(jobs: Jobs, isClosed: () => boolean, work: (end: (result: A) => void) => void): Zlib.Deferred<A> => ({
  _tag: "Deferred",
  start: (done) =>
    jobs.add((release) => {
      if (isClosed()) return release()
      work((result) => {
        release()
        if (!isClosed()) done(result)
      })
    })
})
