/**
 * One zlib context of `node:zlib`, used synchronously for short payloads and on the thread pool for long ones.
 *
 * The public API of `node:zlib` can do the first only with a context that is thrown away, which takes three times as
 * long and has no takeover. So short payloads go past the stream to the object inside it (`_handle`); long ones go
 * through the stream, whose output buffer (`_outBuffer`) is exchanged for the occasion, because an idle context should
 * not hold one. {@link isAvailable} looks for these parts and tries them out once; Node 20, 22, 24 and 26 have them.
 *
 * @internal
 */
import * as Zlib from "node:zlib"

/** What a context is made of: contexts of the same kind can stand in for one another. @internal */
export interface Kind {
  readonly key: string
  readonly mode: "deflate" | "inflate"
  readonly windowBits: number
  readonly level: number
  readonly memLevel: number
  /** The bytes that it takes, most of them in zlib. */
  readonly cost: number
}

/** What Node and zlib need for a context beside the tables and the window. */
const overhead = 12 * 1024

/** @internal */
export const deflateKind = (windowBits: number, level: number, memLevel: number): Kind => {
  // Raw deflate with a window of 2^8 is refused by zlib. With 2^9 it never looks back further than 2^9 - 262 = 250 bytes,
  // because it keeps that much lookahead within the window; so its output fits a window of 2^8.
  const bits = Math.max(9, windowBits)
  // Window and chains, a hash table (of at least 64 KiB in the zlib of Node), and what is to be written.
  const cost = 2 ** (bits + 2) + Math.max(2 ** (memLevel + 8), 64 * 1024) + 2 ** (memLevel + 8) + overhead
  return { key: `deflate ${bits} ${level} ${memLevel}`, mode: "deflate", windowBits: bits, level, memLevel, cost }
}

/** @internal */
export const inflateKind = (windowBits: number): Kind => {
  const cost = 2 ** windowBits + overhead
  return { key: `inflate ${windowBits}`, mode: "inflate", windowBits, level: 6, memLevel: 8, cost }
}

const flush = Zlib.constants.Z_SYNC_FLUSH

/** The parts of a stream of `node:zlib` that are not public. */
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
  /** What the native code leaves after each call: the room left in the output, the bytes left of the input. */
  readonly _writeState: Uint32Array
  _outBuffer: Uint8Array
  _outOffset: number
  _chunkSize: number
}

type Stream = (Zlib.DeflateRaw | Zlib.InflateRaw) & Internals

const smallestChunk = 64

// RFC 7692 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end", and one more: see `writeTail`.
const probe = Uint8Array.of(0x00, 0x00, 0xff, 0xff, 0x00)
// Room for the output that a whole message does not have there.
const noOutput = new Uint8Array(1)

/** How a write on the thread pool ended; "Ended" by a final block. @internal */
export type Outcome = "Written" | "Ended" | "Failed"

/** @internal */
export class NativeHandle {
  readonly kind: Kind
  private readonly stream: Stream
  // The write that is under way on the thread pool.
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

  /** Whether a write failed or hit a final block on the thread pool: the context is good for nothing then. */
  get isSpent(): boolean {
    return this.stream.destroyed || this.stream.readableEnded
  }

  /** The room that the last write left in the output. */
  get roomLeft(): number {
    return this.stream._writeState[0]!
  }

  /** The bytes that the last write left of the input. */
  get inputLeft(): number {
    return this.stream._writeState[1]!
  }

  /**
   * Writes the bytes that a compressor leaves off at the end of a message (RFC 7692 7.2.1), and tells where that leads:
   * "Boundary" where the message did end behind a block, "Ended" where it ended with a final block, "Inside" where it
   * ended inside a block or the context failed.
   */
  writeTail(): "Boundary" | "Ended" | "Inside" {
    // With Z_BLOCK zlib stops where a block ends, before it looks at the next byte, so the last byte is left over if and
    // only if a block ended right behind the tail.
    this.stream._handle.writeSync(Zlib.constants.Z_BLOCK, probe, 0, probe.length, noOutput, 0, noOutput.length)
    if (this.isSpent || this.roomLeft < noOutput.length) return "Inside"
    if (this.inputLeft === probe.length) return "Ended"
    return this.inputLeft === 1 ? "Boundary" : "Inside"
  }

  /** Writes input from `inputAt` on, and output into `room` bytes from `outputAt` on; flushes. */
  writeSync(input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number, room: number): void {
    this.stream._handle.writeSync(flush, input, inputAt, input.length - inputAt, output, outputAt, room)
  }

  /**
   * Writes input on the thread pool, and flushes. `onOutput` is called with each `chunkSize` bytes of output, and stops
   * the work with `false`; `onEnd` is called once, in a later turn. Nothing else may be done until then.
   */
  write(
    input: Uint8Array,
    chunkSize: number,
    onOutput: (output: Uint8Array) => boolean,
    onEnd: (outcome: Outcome) => void
  ): void {
    const { stream } = this
    // Listeners only while they are needed: most contexts never see the thread pool.
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

  /** Forgets the window. */
  reset(): void {
    this.stream.reset()
  }

  close(): void {
    this.stream.close()
  }
}

let available: boolean | undefined

/** Whether this runtime has what is needed. @internal */
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
  // The second message profits from the window, and after a reset there is none.
  return lengths[1]! < lengths[0]! && lengths[2] === lengths[0]
}
