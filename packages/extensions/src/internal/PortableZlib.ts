/**
 * The zlib service on the public API of `node:zlib`, which processes whole buffers only: every message is compressed
 * with an empty window, and the pieces of a compressed message are collected until it ends.
 */
import { randomBytes } from "node:crypto"
import * as NodeZlib from "node:zlib"
import type * as Zlib from "./ZlibTypes.ts"
import { join } from "./OutputBuffer.ts"
import { ThreadPoolLimiter } from "./ThreadPoolLimiter.ts"
import type { Settings } from "./NativeZlib.ts"
import { shortStreams } from "./ShortStreams.ts"

const finishFlush = NodeZlib.constants.Z_SYNC_FLUSH

const emptyBlock = Uint8Array.of(0x00, 0x00, 0x00, 0xff, 0xff)
// RFC 7692 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end". They are the length, 0, of a stored block
// whose header ends the message. Instead of them this module appends the length of a mark and the mark, which no peer
// knows. The mark appears in the output if and only if the message ended with such a header. A final block after it
// ends the stream.
const mark = randomBytes(8)
const markLength = Uint8Array.of(mark.length, 0x00, ~mark.length & 0xff, 0xff)
const ending = new Uint8Array([...markLength, ...mark, 0x01, 0x00, 0x00, 0xff, 0xff])
const marked = markLength.length + mark.length

const noBytes = new Uint8Array(0)

const shortStreamsAtOnce = 16 * 1024
const mostOfShortStreams = 64 * 1024

export const make = (settings: Settings): Zlib.Service => {
  const jobs = new ThreadPoolLimiter(settings.concurrency)
  return {
    deflater: (options) => new PortableDeflater(settings, jobs, options),
    inflater: (options) => new PortableInflater(settings, jobs, options)
  }
}

class PortableDeflater implements Zlib.Deflater {
  private readonly settings: Settings
  private readonly jobs: ThreadPoolLimiter
  private readonly options: NodeZlib.ZlibOptions
  private closed = false

  constructor(settings: Settings, jobs: ThreadPoolLimiter, options: Zlib.DeflaterOptions) {
    this.settings = settings
    this.jobs = jobs
    // A window of 2^9 replaces 2^8: see NativeHandle.
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
  private readonly jobs: ThreadPoolLimiter
  private readonly windowSize: number
  private readonly contextTakeover: boolean
  private closed = false
  private window: Uint8Array = noBytes
  // The compressed message so far: the first `length` bytes.
  private gathered: Uint8Array = noBytes
  private length = 0

  constructor(settings: Settings, jobs: ThreadPoolLimiter, options: Zlib.InflaterOptions) {
    this.settings = settings
    this.jobs = jobs
    this.windowSize = 2 ** options.windowBits
    this.contextTakeover = options.contextTakeover
  }

  inflate(
    input: Uint8Array,
    last: boolean,
    limit: number
  ): Uint8Array | Zlib.InflateFailure | Zlib.Deferred<Uint8Array | Zlib.InflateFailure> {
    const { length } = this
    this.length += input.length
    // Bounds the collected input too: incompressible data grow by five bytes in 16 KiB, and a little more.
    if (this.length > limit + (limit >>> 8) + 1024) return "TooBig"
    if (!last || length > 0) this.gather(input, length)
    if (!last) return noBytes
    const whole = join(
      [length > 0 ? this.gathered.subarray(0, this.length) : input, ending],
      this.length + ending.length
    )
    this.gathered = noBytes
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

  private gather(input: Uint8Array, at: number): void {
    if (at + input.length > this.gathered.length) {
      const larger = new Uint8Array(Math.max(256, 2 * (at + input.length)))
      larger.set(this.gathered.subarray(0, at))
      this.gathered = larger
    }
    this.gathered.set(input, at)
  }

  // Decompresses streams one behind the other: a final block ends one. Asks its driver to inflate each.
  private *streams(input: Uint8Array, limit: number): Streams {
    const pieces: Array<Uint8Array> = []
    const end = input.length - ending.length
    let length = 0
    let at = 0
    for (;;) {
      const from = at
      const options = {
        info: true,
        windowBits: Math.log2(this.windowSize),
        maxOutputLength: limit - length + mark.length,
        ...(this.window.length > 0 ? { dictionary: this.window } : {})
      }
      const { buffer, engine } = yield { input: input.subarray(from), options }
      if (engine.bytesWritten === 0) return "InvalidData"
      at += engine.bytesWritten
      if (at > end) {
        // The block that the tail completes may be final itself.
        if ((at !== input.length && at !== end + marked) || !endsWith(buffer, mark)) return "InvalidData"
        const whole = buffer.subarray(0, buffer.length - mark.length)
        // If the message ended inside a stored block, that block took the mark as data and there is more output.
        if (endsWith(whole, markLength)) {
          const alone = yield {
            input: input.subarray(from, end),
            options: { ...options, finishFlush: NodeZlib.constants.Z_SYNC_FLUSH }
          }
          if (alone.buffer.length < whole.length) return "InvalidData"
        }
        pieces.push(bytes(whole))
        length += whole.length
        if (length > limit) return "TooBig"
        this.keep(whole)
        break
      }
      pieces.push(bytes(buffer))
      length += buffer.length
      if (length > limit) return "TooBig"
      this.window = noBytes
      for (;;) {
        const stop = Math.min(end, at + shortStreamsAtOnce)
        const output = new Uint8Array(Math.min(mostOfShortStreams, limit - length + 1))
        shortStreams.run(input, at, stop, output, 0, output.length)
        if (shortStreams.outputAt > 0) pieces.push(output.slice(0, shortStreams.outputAt))
        length += shortStreams.outputAt
        const used = shortStreams.at - at
        at = shortStreams.at
        if (length > limit) return "TooBig"
        if (used === 0) break
        yield "Pause"
      }
      // Without bytes after a final block, the tail has nothing to complete.
      if (at === end) break
    }
    return join(pieces, length)
  }

  private keep(output: Uint8Array): void {
    if (!this.contextTakeover) return
    const kept = Math.max(0, this.windowSize - output.length)
    const window = this.window.subarray(Math.max(0, this.window.length - kept))
    const latest = output.subarray(Math.max(0, output.length - this.windowSize))
    this.window = latest.length === 0 ? window : join([window, latest.slice()], window.length + latest.length)
  }

  close(): void {
    this.closed = true
    this.window = noBytes
    this.gathered = noBytes
  }
}

/** What `node:zlib` gives with the option `info`. */
interface Inflated {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

/** Requests to inflate a stream, or yields a turn to other work. */
type Streams = Generator<
  { readonly input: Uint8Array; readonly options: NodeZlib.ZlibOptions } | "Pause",
  Uint8Array | Zlib.InflateFailure,
  Inflated
>

const failureOf = (error: unknown): Zlib.InflateFailure =>
  (error as { readonly code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? "TooBig" : "InvalidData"

const inflateInline = (streams: Streams): Uint8Array | Zlib.InflateFailure => {
  let inflated = nothing
  for (;;) {
    const step = streams.next(inflated)
    if (step.done === true) return step.value
    if (step.value === "Pause") continue
    try {
      inflated = NodeZlib.inflateRawSync(step.value.input, step.value.options) as unknown as Inflated
    } catch (error) {
      return failureOf(error)
    }
  }
}

const inflateOnThreadPool = (streams: Streams, end: (result: Uint8Array | Zlib.InflateFailure) => void): void => {
  const go = (inflated: Inflated): void => {
    const step = streams.next(inflated)
    if (step.done === true) return end(step.value)
    if (step.value === "Pause") return void setImmediate(go, nothing)
    NodeZlib.inflateRaw(step.value.input, step.value.options, (error, inflated) =>
      error === null ? go(inflated as unknown as Inflated) : end(failureOf(error))
    )
  }
  go(nothing)
}

const endsWith = (output: Uint8Array, end: Uint8Array): boolean =>
  output.length >= end.length && end.every((byte, index) => byte === output[output.length - end.length + index])

// Result of a request that inflates nothing.
const nothing: Inflated = { buffer: noBytes, engine: { bytesWritten: 0 } }

const bytes = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

const defer = <A>(
  jobs: ThreadPoolLimiter,
  isClosed: () => boolean,
  work: (end: (result: A) => void) => void
): Zlib.Deferred<A> => ({
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
