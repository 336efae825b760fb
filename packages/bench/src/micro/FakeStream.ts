/**
 * A stream as `node:net` makes them, without a kernel behind it: chunks are pushed into it as a read would, and what is
 * written to it is taken at once and counted. Every peer of the in-process benchmark runs on it, ours and `ws` alike,
 * so they differ in nothing but themselves.
 */
import { Duplex } from "node:stream"

export class FakeStream extends Duplex {
  /** Bytes that were written so far. */
  written = 0
  /** What was written last. */
  last: Uint8Array | undefined = undefined
  /** Called with what is written, for peers that answer. */
  onWrite: ((bytes: Uint8Array) => void) | undefined = undefined

  constructor() {
    super({ allowHalfOpen: true, emitClose: true })
  }

  /** Delivers bytes to the reader, in memory of their own, as a read of a socket does. */
  feed(bytes: Uint8Array): void {
    const chunk = Buffer.from(new ArrayBuffer(bytes.length))
    chunk.set(bytes)
    this.push(chunk)
  }

  /** The peer's FIN. */
  feedEnd(): void {
    this.push(null)
  }

  // What `net.Socket` has and HTTP servers call.
  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.count(chunk)
    done()
  }

  override _writev(chunks: Array<{ readonly chunk: Uint8Array }>, done: () => void): void {
    for (const { chunk } of chunks) this.count(chunk)
    done()
  }

  override _final(done: () => void): void {
    done()
  }

  private count(bytes: Uint8Array): void {
    this.written += bytes.length
    this.last = bytes
    this.onWrite?.(bytes)
  }
}
