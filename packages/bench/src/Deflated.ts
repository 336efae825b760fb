/**
 * Compressed load: what the generator sends where a row asks for permessage-deflate, and how it counts what comes back.
 *
 * The same message over and over would be no load: with context takeover it is a reference to the one before and a few
 * bytes long. So each connection sends a cycle of different messages, longer altogether than the window of 32 KiB, in
 * which each is compressed against the 32 KiB before it, as zlib would have done. It is compressed once before the run:
 * what precedes a message is the same in each round of the cycle but the first, so there are two sets of frames.
 */
import { deflateRawSync, inflateRawSync, constants } from "node:zlib"
import { encodeMasked } from "./Frames.ts"

/** `each`: every message is compressed on its own. `takeover`: both ends keep their windows from message to message. */
export type Compression = "each" | "takeover"

/** The settings of every compressor, here and in the servers; both are what `ws` and zlib do unless told otherwise. */
export const settings = { level: 6, memLevel: 8 }

const windowSize = 32 * 1024
const rsv1 = 0x40
const tail = Uint8Array.of(0, 0, 0xff, 0xff)

/** The header line that offers it. */
export const offer = (compression: Compression): string =>
  compression === "takeover"
    ? "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    : "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"

/** Throws unless the head of the server's answer agrees to what is going to be measured. */
export const checkAnswer = (head: string, compression: Compression): void => {
  const answer = /\r\nsec-websocket-extensions: *(.*)\r\n/i.exec(head)?.[1] ?? ""
  if (!answer.startsWith("permessage-deflate")) throw new Error("the server does not compress")
  if (compression === "takeover" && answer.includes("no_context_takeover")) {
    throw new Error(`the server does not let both ends keep their windows: ${answer}`)
  }
  if (answer.includes("client_max_window_bits")) throw new Error(`a narrower window was not offered: ${answer}`)
}

/** Makes text that resembles JSON as services send it; different for each `seed`. */
export const makeJson = (length: number, seed: number): Uint8Array => {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const word = (): string => Array.from({ length: 3 + next(7) }, () => String.fromCharCode(97 + next(26))).join("")
  let text = "["
  while (text.length < length) {
    const name = `${word()} ${word()}`
    text +=
      `{"id":${next(1_000_000)},"name":"${name}","email":"${name.replace(" ", ".")}@example.com",` +
      `"active":${next(2) === 1},"balance":${next(1_000_000) / 100},"tags":["${word()}","${word()}"],` +
      `"updated":"2026-0${1 + next(9)}-${10 + next(19)}T0${next(10)}:${10 + next(50)}:00Z"},`
  }
  return Buffer.from(text.slice(0, length))
}

/** Frames laid out one after another: frame `i` begins at `starts[i]`. */
interface Frames {
  readonly bytes: Uint8Array
  readonly starts: ReadonlyArray<number>
}

/** The messages that a connection sends, again and again. */
export interface Cycle {
  readonly count: number
  /** The messages of one round, uncompressed, one after another. */
  readonly plain: Uint8Array
  readonly first: Frames
  readonly later: Frames
}

/** Makes and compresses the messages: at least 16, and at least four windows of them. */
export const makeCycle = (length: number, compression: Compression, mask: Uint8Array): Cycle => {
  const count = Math.max(16, Math.ceil((4 * windowSize) / Math.max(1, length)))
  const texts = Array.from({ length: count }, (_, seed) => makeJson(length, seed))
  const plain = Buffer.concat(texts)
  const twice = Buffer.concat([plain, plain])
  const round = (before: number): Frames => {
    const frames = texts.map((text, index) => {
      const at = before + index * length
      const dictionary = compression === "takeover" ? twice.subarray(Math.max(0, at - windowSize), at) : undefined
      return compressed(text, dictionary, mask)
    })
    let end = 0
    return { bytes: Buffer.concat(frames), starts: [0, ...frames.map((frame) => (end += frame.length))] }
  }
  const first = round(0)
  return { count, plain, first, later: compression === "takeover" ? round(plain.length) : first }
}

const compressed = (text: Uint8Array, dictionary: Uint8Array | undefined, mask: Uint8Array): Uint8Array => {
  const output = deflateRawSync(text, {
    ...settings,
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(dictionary === undefined || dictionary.length === 0 ? {} : { dictionary })
  })
  const frame = encodeMasked("text", output.subarray(0, -tail.length), mask)
  frame[0]! |= rsv1
  return frame
}

/** Where a connection is in its cycle. */
export class CycleWriter {
  private readonly cycle: Cycle
  private frames: Frames
  private at = 0

  constructor(cycle: Cycle) {
    this.cycle = cycle
    this.frames = cycle.first
  }

  /** Hands over the next `count` frames, in as few pieces as they lie in. */
  next(count: number, write: (bytes: Uint8Array) => void): void {
    while (count > 0) {
      const taken = Math.min(count, this.cycle.count - this.at)
      const { bytes, starts } = this.frames
      write(bytes.subarray(starts[this.at]!, starts[this.at + taken]!))
      count -= taken
      this.at += taken
      if (this.at < this.cycle.count) continue
      this.at = 0
      this.frames = this.cycle.later
    }
  }
}

/**
 * Counts compressed messages, whatever the chunks, and throws at the first byte that is wrong.
 *
 * **Details**
 *
 * Every header must be of one whole compressed text message; the messages of the first round are decompressed and
 * compared with what was sent, the later ones are skipped.
 */
export class DeflatedReader {
  private readonly cycle: Cycle
  private readonly longest: number
  private readonly header: Array<number> = []
  private rest = 0
  private completed = 0
  private collected: Array<Uint8Array> | undefined = []

  constructor(cycle: Cycle) {
    this.cycle = cycle
    this.longest = cycle.plain.length / cycle.count + 64
  }

  /** Takes the first `length` bytes of `chunk` and gives the number of messages that they completed. */
  read(chunk: Uint8Array, length: number): number {
    const before = this.completed
    let i = 0
    while (i < length) {
      if (this.rest === 0) {
        this.onHeader(chunk[i++]!)
        continue
      }
      const take = Math.min(this.rest, length - i)
      this.collected?.push(chunk.slice(i, i + take))
      i += take
      this.rest -= take
      if (this.rest === 0) this.onMessage()
    }
    return this.completed - before
  }

  // An empty payload cannot be: compressed, even an empty message takes a byte.
  private onHeader(byte: number): void {
    const header = this.header
    header.push(byte)
    if (header[0] !== 0xc1) throw new Error(`expected a compressed text message, got 0x${header[0]!.toString(16)}`)
    if (header.length < 2) return
    const short = header[1]!
    const needed = short < 126 ? 2 : short === 126 ? 4 : 10
    if (header.length < needed) return
    this.rest = needed === 2 ? short : header.slice(2).reduce((sum, digit) => sum * 256 + digit, 0)
    if (this.rest < 1 || this.rest > this.longest) throw new Error(`a compressed message of ${this.rest} bytes`)
    header.length = 0
  }

  private onMessage(): void {
    this.completed++
    if (this.collected === undefined) return
    this.collected.push(tail)
    if (this.completed < this.cycle.count) return
    const plain = inflateRawSync(Buffer.concat(this.collected), { finishFlush: constants.Z_SYNC_FLUSH })
    if (!plain.equals(this.cycle.plain)) throw new Error("the echoes of the first round differ from what was sent")
    this.collected = undefined
  }
}
