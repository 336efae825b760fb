/**
 * The zlib service on the native contexts of `node:zlib`.
 */
import type * as Zlib from "./ZlibTypes.ts"
import { OutputBuffer, join } from "./OutputBuffer.ts"
import { ContextPool } from "./ContextPool.ts"
import { ThreadPoolLimiter } from "./ThreadPoolLimiter.ts"
import type { Kind } from "./NativeHandle.ts"
import { deflateKind, inflateKind, NativeHandle } from "./NativeHandle.ts"
import { shortStreams } from "./ShortStreams.ts"

export { isAvailable } from "./NativeHandle.ts"

export interface Settings {
  readonly inlineBytes: number
  readonly concurrency: number
  readonly memoryBudget: number
}

/** State shared by all compressors and decompressors of a service. */
interface Shared {
  readonly settings: Settings
  readonly contexts: ContextPool
  readonly jobs: ThreadPoolLimiter
}

export const make = (settings: Settings): Zlib.Service & { readonly contexts: ContextPool } => {
  const contexts = new ContextPool(settings.memoryBudget)
  const shared: Shared = { settings, contexts, jobs: new ThreadPoolLimiter(settings.concurrency) }
  return {
    contexts,
    deflater: ({ level, memLevel, contextTakeover, windowBits }) =>
      windowBits === 8 && !shortWindowHolds()
        ? incapable
        : new NativeDeflater(shared, deflateKind(windowBits, level, memLevel), contextTakeover),
    inflater: ({ contextTakeover, windowBits }) => new NativeInflater(shared, inflateKind(windowBits), contextTakeover)
  }
}

// One buffer for all outputs of the calling turn, of every connection: each output is complete before the next starts.
const arena = new OutputBuffer()

const emptyBlock = Uint8Array.of(0x00, 0x00, 0x00, 0xff, 0xff)

const noBytes = new Uint8Array(0)

// Maximum input bytes per turn for a payload that is too long for the calling turn: about a millisecond's work.
const shortStreamsAtOnce = 16 * 1024

const incapable: Zlib.Deflater = { deflate: () => "OutOfMemory", close: () => undefined }

let holds: boolean | undefined

// Tests whether this zlib uses at most 250 bytes of a 2^9 window, so that its output fits a window of 2^8: a repetition
// at a distance of 300 bytes must not make the output shorter.
const shortWindowHolds = (): boolean => {
  if (holds === undefined) {
    const handle = new NativeHandle(deflateKind(8, 9, 9))
    // A full period of a byte generator without a repetition of three.
    const input = new Uint8Array(600)
    for (let at = 0, seed = 1; at < 300; at++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      input[at] = input[at + 300] = seed >>> 24
    }
    const output = new Uint8Array(1024)
    handle.writeSync(input, 0, output, 0, output.length)
    holds = output.length - handle.roomLeft > 550
    handle.close()
  }
  return holds
}

/** The common base of both directions: a borrowed context, which may be busy on another thread. */
abstract class PooledContext {
  protected readonly shared: Shared
  protected readonly contextTakeover: boolean
  protected handle: NativeHandle | undefined = undefined
  protected closed = false
  private readonly kind: Kind
  private busy = false

  constructor(shared: Shared, kind: Kind, contextTakeover: boolean) {
    this.shared = shared
    this.kind = kind
    this.contextTakeover = contextTakeover
  }

  protected acquire(): NativeHandle | undefined {
    return (this.handle ??= this.shared.contexts.acquire(this.kind))
  }

  protected release(): void {
    if (this.handle === undefined) return
    this.shared.contexts.release(this.handle)
    this.handle = undefined
  }

  /** Runs work on the thread pool in its turn. Its result is ignored when this end was closed meanwhile. */
  protected defer<A>(work: (end: (result: A) => void) => void): Zlib.Deferred<A> {
    return {
      _tag: "Deferred",
      start: (done) => {
        this.busy = true
        this.shared.jobs.add((release) => {
          const end = (result: A): void => {
            this.busy = false
            release()
            if (this.closed) this.release()
            else done(result)
          }
          if (this.closed) {
            this.busy = false
            this.release()
            release()
          } else work(end)
        })
      }
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    // The thread pool may still write into the context; then it is released when that is done.
    if (!this.busy) this.release()
  }
}

class NativeDeflater extends PooledContext implements Zlib.Deflater {
  deflate(input: Uint8Array, last: boolean): Uint8Array | "OutOfMemory" | Zlib.Deferred<Uint8Array | "OutOfMemory"> {
    if (this.handle !== undefined && this.contextTakeover) this.shared.contexts.withdraw(this)
    const handle = this.acquire()
    if (handle === undefined) return "OutOfMemory"
    if (input.length > this.shared.settings.inlineBytes) {
      return this.defer((end) => this.onThreadPool(handle, input, last, end))
    }
    return this.finish(input.length === 0 ? emptyBlock : this.inline(handle, input), last)
  }

  private inline(handle: NativeHandle, input: Uint8Array): Uint8Array {
    let room = arena.reserve()
    handle.writeSync(input, 0, arena.slab, arena.offset, room)
    const first = arena.take(room - handle.roomLeft)
    if (handle.roomLeft > 0) return first
    const pieces = [first]
    let length = first.length
    do {
      const at = input.length - handle.inputLeft
      room = arena.reserve()
      handle.writeSync(input, at, arena.slab, arena.offset, room)
      const piece = arena.take(room - handle.roomLeft)
      pieces.push(piece)
      length += piece.length
    } while (handle.roomLeft === 0)
    return join(pieces, length)
  }

  private onThreadPool(
    handle: NativeHandle,
    input: Uint8Array,
    last: boolean,
    end: (output: Uint8Array | "OutOfMemory") => void
  ): void {
    const pieces: Array<Uint8Array> = []
    let length = 0
    handle.write(
      input,
      Math.min(1024 * 1024, (input.length >>> 1) + 64),
      (piece) => {
        pieces.push(piece)
        length += piece.length
        return !this.closed
      },
      (outcome) => {
        if (outcome === "Written") return end(this.finish(join(pieces, length), last))
        this.release()
        end("OutOfMemory")
      }
    )
  }

  private finish(output: Uint8Array, last: boolean): Uint8Array {
    if (!last) return output
    if (!this.contextTakeover) this.release()
    else if (!this.closed) this.shared.contexts.offer(this)
    return output.subarray(0, output.length - 4)
  }

  evict(): NativeHandle {
    const handle = this.handle!
    this.handle = undefined
    return handle
  }

  override close(): void {
    this.shared.contexts.withdraw(this)
    super.close()
  }
}

class NativeInflater extends PooledContext implements Zlib.Inflater {
  // The current piece: its input, the position in it, and its output.
  private input: Uint8Array = noBytes
  private at = 0
  private last = false
  private limit = 0
  private pieces: Array<Uint8Array> | undefined = undefined
  private length = 0
  // Whether the message so far ends with a final block.
  private isBehindFinal = false

  inflate(
    input: Uint8Array,
    last: boolean,
    limit: number
  ): Uint8Array | Zlib.InflateFailure | Zlib.Deferred<Uint8Array | Zlib.InflateFailure> {
    const handle = this.acquire()
    if (handle === undefined) return "OutOfMemory"
    this.input = input
    this.at = 0
    this.last = last
    this.limit = limit
    this.length = 0
    if (input.length > 0) this.isBehindFinal = false
    const { inlineBytes } = this.shared.settings
    if (input.length > inlineBytes) return this.onThreadPool()
    for (;;) {
      const room = Math.min(arena.reserve(), limit - this.length + 1)
      handle.writeSync(this.input, this.at, arena.slab, arena.offset, room)
      if (handle.isSpent) return this.finish("InvalidData")
      const made = room - handle.roomLeft
      if (made > 0) this.keep(arena.take(made))
      if (this.length > limit) return this.finish("TooBig")
      this.at = input.length - handle.inputLeft
      if (handle.roomLeft === 0) {
        if (this.length > inlineBytes * 8) return this.onThreadPool()
        continue
      }
      if (this.at === input.length) return this.finish(this.complete(handle))
      // Room and input are left, so a final block ended the stream.
      handle.reset()
      this.shortStreams(input.length)
      if (this.length > limit) return this.finish("TooBig")
      if (this.at === input.length) return this.finishBehindFinal()
    }
  }

  private onThreadPool(): Zlib.Deferred<Uint8Array | Zlib.InflateFailure> {
    return this.defer((end) => {
      const nextStream = (): void => {
        const before = this.at
        this.shortStreams(before + shortStreamsAtOnce)
        if (this.length > this.limit) return end(this.finish("TooBig"))
        if (this.at === this.input.length || this.closed) return end(this.finishBehindFinal())
        // Short work stays in this thread, with turns for other connections in between.
        if (this.at - before > shortStreamsAtOnce / 2) setImmediate(nextStream)
        else go()
      }
      const go = (): void => {
        const handle = this.acquire()
        if (handle === undefined) return end(this.finish("OutOfMemory"))
        handle.write(
          this.at === 0 ? this.input : this.input.subarray(this.at),
          Math.max(64, Math.min(128 * 1024, this.limit - this.length + 1)),
          (piece) => {
            this.keep(piece)
            return this.length <= this.limit && !this.closed
          },
          (outcome) => {
            if (this.length > this.limit) return end(this.finish("TooBig"))
            if (outcome === "Failed") return end(this.finish("InvalidData"))
            if (outcome === "Written") return end(this.finish(this.complete(handle)))
            this.at = this.input.length - handle.inputLeft
            // Node's stream ends with the deflate stream, so a new context replaces it.
            this.release()
            nextStream()
          }
        )
      }
      go()
    })
  }

  private keep(piece: Uint8Array): void {
    this.length += piece.length
    if (this.pieces === undefined) this.pieces = [piece]
    else this.pieces.push(piece)
  }

  // Decompresses short streams after a final block, up to `end` of the input.
  private shortStreams(end: number): void {
    const { input } = this
    let isProgress = true
    while (isProgress && this.at < Math.min(end, input.length) && this.length <= this.limit) {
      const room = Math.min(arena.reserve(), this.limit - this.length + 1)
      shortStreams.run(input, this.at, Math.min(end, input.length), arena.slab, arena.offset, arena.offset + room)
      isProgress = shortStreams.at > this.at
      this.at = shortStreams.at
      if (shortStreams.outputAt > arena.offset) this.keep(arena.take(shortStreams.outputAt - arena.offset))
    }
  }

  // A message must end after a block whose end is the tail, or with a final block. RFC 7692 7.2.3.4 adds another block
  // for the tail to complete; without it the tail is not needed either.
  private complete(handle: NativeHandle): "Done" | "InvalidData" {
    if (!this.last || this.isBehindFinal) return "Done"
    const position = handle.writeTail()
    if (position === "Ended") handle.reset()
    return position === "Inside" ? "InvalidData" : "Done"
  }

  private finishBehindFinal(): Uint8Array | Zlib.InflateFailure {
    this.isBehindFinal = true
    return this.finish("Done")
  }

  private finish(outcome: "Done" | Zlib.InflateFailure): Uint8Array | Zlib.InflateFailure {
    const { pieces } = this
    this.pieces = undefined
    this.input = noBytes
    if (this.last) this.isBehindFinal = false
    if (outcome !== "Done" || (this.last && !this.contextTakeover)) this.release()
    if (outcome !== "Done") return outcome
    return pieces === undefined ? noBytes : join(pieces, this.length)
  }
}
