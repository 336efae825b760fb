/**
 * One zlib context of `node:zlib`, used synchronously for short payloads and on the thread pool for long ones.
 *
 * The public API of `node:zlib` works synchronously only with a context that is thrown away, which takes three times as
 * long and has no takeover. So short payloads bypass the stream and use the object inside it (`_handle`). Long payloads
 * use the stream, whose output buffer (`_outBuffer`) is set for that time only, because an idle context should not hold
 * one. {@link isAvailable} checks for these parts and tests them once; Node 20, 22, 24 and 26 have them.
 */
import * as Zlib from "node:zlib"

/** What a context is made of: contexts of the same kind can stand in for one another. */
export interface Kind {
  readonly key: string
  readonly mode: "deflate" | "inflate"
  readonly windowBits: number
  readonly level: number
  readonly memLevel: number
  /** Bytes that it takes, most of them in zlib. */
  readonly cost: number
}

/** What Node and zlib need for a context beside tables and window. */
const overhead = 12 * 1024

export const deflateKind = (windowBits: number, level: number, memLevel: number): Kind => {
  // zlib rejects raw deflate with a window of 2^8. With 2^9 it never looks back further than 2^9 - 262 = 250 bytes,
  // because it keeps that much lookahead inside the window. Its output therefore fits a window of 2^8.
  const bits = Math.max(9, windowBits)
  // Window and chains, a hash table (at least 64 KiB in Node's zlib), and pending output.
  const cost = 2 ** (bits + 2) + Math.max(2 ** (memLevel + 8), 64 * 1024) + 2 ** (memLevel + 8) + overhead
  return { key: `deflate ${bits} ${level} ${memLevel}`, mode: "deflate", windowBits: bits, level, memLevel, cost }
}

export const inflateKind = (windowBits: number): Kind => {
  const cost = 2 ** windowBits + overhead
  return { key: `inflate ${windowBits}`, mode: "inflate", windowBits, level: 6, memLevel: 8, cost }
}

const flush = Zlib.constants.Z_SYNC_FLUSH

/** Non-public parts of a `node:zlib` stream. */
interface Internals {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number
    ): void
  }
  /** What the native code sets after each call: the room left in the output, and the input bytes left. */
  readonly _writeState: Uint32Array
  _outBuffer: Uint8Array
  _outOffset: number
  _chunkSize: number
}

type Stream = (Zlib.DeflateRaw | Zlib.InflateRaw) & Internals

const smallestChunk = 64

// RFC 7692 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end", and one more: see `writeTail`.
const probe = Uint8Array.of(0x00, 0x00, 0xff, 0xff, 0x00)
// Output room for a write that produces no output in a whole message.
const noOutput = new Uint8Array(1)

/** How a write on the thread pool ended; "Ended" by a final block. */
export type Outcome = "Written" | "Ended" | "Failed"

export class NativeHandle {
  readonly kind: Kind
  private readonly stream: Stream
  // The write that runs on the thread pool.
  private onOutput: ((output: Uint8Array) => boolean) | undefined = undefined
  private onEnd: ((outcome: Outcome) => void) | undefined = undefined

  constructor(kind: Kind) {
    const { level, memLevel, mode, windowBits } = kind
    this.kind = kind
    this.stream = (
      mode === "deflate"
        ? Zlib.createDeflateRaw({ windowBits, level, memLevel, flush, chunkSize: smallestChunk })
        : Zlib.createInflateRaw({ windowBits, flush, chunkSize: smallestChunk })
    ) as Stream
    this.stream.on("error", () => this.settle("Failed"))
  }

  /** Whether a write on the thread pool failed or met a final block: the context is then unusable. */
  get isSpent(): boolean {
    return this.stream.destroyed || this.stream.readableEnded
  }

  /** Room that the last write left in the output. */
  get roomLeft(): number {
    return this.stream._writeState[0]!
  }

  /** Bytes that the last write left of the input. */
  get inputLeft(): number {
    return this.stream._writeState[1]!
  }

  /**
   * Writes the bytes that a compressor omits at the end of a message (RFC 7692 7.2.1). Returns "Boundary" when the
   * message ended after a block, "Ended" when it ended with a final block, and "Inside" when it ended inside a block or
   * the context failed.
   */
  writeTail(): "Boundary" | "Ended" | "Inside" {
    // With Z_BLOCK, zlib stops at the end of a block before it reads the next byte. So the last byte remains if and
    // only if a block ended right after the tail.
    this.stream._handle.writeSync(Zlib.constants.Z_BLOCK, probe, 0, probe.length, noOutput, 0, noOutput.length)
    if (this.isSpent || this.roomLeft < noOutput.length) return "Inside"
    if (this.inputLeft === probe.length) return "Ended"
    return this.inputLeft === 1 ? "Boundary" : "Inside"
  }

  /** Writes input from `inputAt`, and output into `room` bytes from `outputAt`; flushes. */
  writeSync(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number, room: number): void {
    this.stream._handle.writeSync(flush, input, inputAt, input.length - inputAt, output, outputAt, room)
  }

  /**
   * Writes input on the thread pool, and flushes. Calls `onOutput` with each `chunkSize` bytes of output; `false` stops
   * the work. Calls `onEnd` once, in a later turn. The handle must not be used before that.
   */
  write(
    input: Uint8Array,
    chunkSize: number,
    onOutput: (output: Uint8Array) => boolean,
    onEnd: (outcome: Outcome) => void
  ): void {
    const { stream } = this
    // Adds listeners only when they are needed: most contexts never use the thread pool.
    if (stream.listenerCount("data") === 0) {
      stream.on("data", (output: Uint8Array) => {
        if (this.onOutput?.(new Uint8Array(output.buffer, output.byteOffset, output.length)) === false) {
          stream.destroy()
          this.settle("Failed")
        }
      })
      stream.on("end", () => this.settle("Ended"))
    }
    this.onOutput = onOutput
    this.onEnd = onEnd
    this.exchangeBuffer(chunkSize)
    stream.write(input, () => this.settle("Written"))
  }

  private settle(outcome: Outcome): void {
    const { onEnd } = this
    if (onEnd === undefined) return
    this.onOutput = undefined
    this.onEnd = undefined
    this.exchangeBuffer(smallestChunk)
    onEnd(outcome)
  }

  private exchangeBuffer(size: number): void {
    this.stream._chunkSize = size
    this.stream._outBuffer = Buffer.allocUnsafe(size)
    this.stream._outOffset = 0
  }

  /** Clears the window. */
  reset(): void {
    this.stream.reset()
  }

  close(): void {
    this.stream.close()
  }
}

let available: boolean | undefined

/** Whether this runtime has what is needed. */
export const isAvailable = (): boolean => (available ??= hasParts() && works())

const hasParts = (): boolean => {
  const stream = Zlib.createDeflateRaw({ chunkSize: smallestChunk }) as unknown as Partial<Internals>
  return (
    typeof stream._handle?.writeSync === "function" &&
    stream._writeState instanceof Uint32Array &&
    stream._outBuffer instanceof Uint8Array &&
    stream._outOffset === 0 &&
    stream._chunkSize === smallestChunk
  )
}

const works = (): boolean => {
  const deflate = new NativeHandle(deflateKind(9, 6, 1))
  const inflate = new NativeHandle(inflateKind(9))
  const text = Uint8Array.from({ length: 64 }, (_, index) => index >> 2)
  const lengths: Array<number> = []
  for (let round = 0; round < 3; round++) {
    if (round === 2) {
      deflate.reset()
      inflate.reset()
    }
    const packed = new Uint8Array(128)
    deflate.writeSync(text, 0, packed, 0, packed.length)
    const length = packed.length - deflate.roomLeft
    const unpacked = new Uint8Array(128)
    inflate.writeSync(packed.subarray(0, length), 0, unpacked, 0, unpacked.length)
    const isSame = text.every((byte, index) => unpacked[index] === byte)
    if (!isSame || inflate.roomLeft !== 64 || inflate.inputLeft !== 0) return false
    lengths.push(length)
    // Without its tail, the output of a flush ends inside an empty block.
    inflate.writeSync(packed.subarray(0, 1).fill(0), 0, unpacked, 0, unpacked.length)
    if (inflate.writeTail() !== "Boundary") return false
  }
  deflate.close()
  inflate.close()
  // The second message profits from the window; after a reset there is none.
  return lengths[1]! < lengths[0]! && lengths[2] === lengths[0]
}
