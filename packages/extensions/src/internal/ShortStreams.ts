/**
 * Decompresses short deflate streams (RFC 1951) without zlib.
 *
 * A message may consist of many deflate streams, because a block with BFINAL set ends one (RFC 7692 7.2.3.4). zlib
 * needs a new or reset context for each, which costs far more than the two bytes that a peer spends on it. So a stream
 * after a final block is first decoded here, at a cost proportional to the input. zlib decodes streams that are longer
 * than {@link longest}, need more output than there is room for, or are invalid.
 */

/** The most bytes of input that a stream may have here. */
export const longest = 256

/** A canonical Huffman code: the number of symbols of each length, and the symbols in the order of their codes. */
interface Code {
  readonly counts: Uint16Array
  readonly symbols: Uint16Array
}

const mostBits = 15
const endOfBlock = 256

const emptyCode = (size: number): Code => ({
  counts: new Uint16Array(mostBits + 1),
  symbols: new Uint16Array(size)
})

// Accepts the same codes as zlib: complete codes, empty codes, and (except for code lengths) a single code of one bit.
const build = (code: Code, lengths: Uint8Array, from: number, size: number, mayBeSingle: boolean): boolean => {
  const { counts, symbols } = code
  counts.fill(0)
  for (let symbol = 0; symbol < size; symbol++) counts[lengths[from + symbol]!]!++
  if (counts[0] === size) return true
  let left = 1
  let at = 0
  for (let length = 1; length <= mostBits; length++) {
    left = left * 2 - counts[length]!
    if (left < 0) return false
    offsets[length] = at
    at += counts[length]!
  }
  if (left > 0 && !(mayBeSingle && counts[1] === 1 && at === 1)) return false
  for (let symbol = 0; symbol < size; symbol++) {
    const length = lengths[from + symbol]!
    if (length > 0) symbols[offsets[length]!++] = symbol
  }
  return true
}

const offsets = new Uint16Array(mostBits + 1)

// RFC 1951 3.2.5: the base values and extra bits of lengths and distances.
const lengthBase = Uint16Array.from([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258
])
const lengthExtra = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)
const distanceCodes = 30
const distanceExtra = (symbol: number): number => (symbol < 2 ? 0 : (symbol >> 1) - 1)
const distanceBase = (symbol: number): number =>
  symbol < 2 ? symbol + 1 : ((2 + (symbol & 1)) << distanceExtra(symbol)) + 1
// RFC 1951 3.2.7: the order of the code lengths of the code length alphabet.
const lengthOrder = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)

// RFC 1951 3.2.6
const fixedLiterals = emptyCode(288)
const fixedDistances = emptyCode(distanceCodes)
{
  const lengths = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280)
  build(fixedLiterals, lengths, 0, 288, false)
  // The fixed code for distances is not complete: its last two symbols do not occur.
  fixedDistances.counts[5] = distanceCodes
  for (let symbol = 0; symbol < distanceCodes; symbol++) fixedDistances.symbols[symbol] = symbol
}

// One stream is decoded at a time, so these are shared.
const lengths = new Uint8Array(286 + distanceCodes)
const lengthCode = emptyCode(19)
const literals = emptyCode(286)
const distances = emptyCode(distanceCodes)

export class ShortStreams {
  /** Input position after the last whole stream. */
  at = 0
  /** End of the output of these streams. */
  outputAt = 0

  private input: Uint8Array = lengths
  private output: Uint8Array = lengths
  private outputEnd = 0
  // The current stream: the next byte, the bits read and not used, the start of its output.
  private next = 0
  private end = 0
  private bits = 0
  private bitCount = 0
  private outputStart = 0
  // Set when the input or the output room ended, or the data are invalid. Bits read from then on are 0.
  private failed = false

  /**
   * Decompresses streams one after the other, each of which ends with a final block, from `at` to `end`. Stops before
   * the first stream that zlib has to decode.
   */
  run(input: Uint8Array, at: number, end: number, output: Uint8Array, outputAt: number, outputEnd: number): void {
    this.input = input
    this.output = output
    this.at = at
    this.outputAt = outputAt
    this.outputStart = outputAt
    this.outputEnd = outputEnd
    while (this.at < end && this.stream(end)) this.at = this.next
    this.outputAt = this.outputStart
    this.input = lengths
    this.output = lengths
  }

  private stream(end: number): boolean {
    this.next = this.at
    this.end = Math.min(end, this.at + longest)
    this.bits = 0
    this.bitCount = 0
    this.failed = false
    let isFinal = false
    while (!isFinal && !this.failed) {
      isFinal = this.take(1) === 1
      const type = this.take(2)
      if (type === 0) this.stored()
      else if (type === 1) this.compressed(fixedLiterals, fixedDistances)
      else if (type === 2 && this.readCodes()) this.compressed(literals, distances)
      else this.failed = true
    }
    if (this.failed) return false
    this.outputStart = this.outputAt
    return true
  }

  private take(count: number): number {
    while (this.bitCount < count) {
      if (this.next === this.end) {
        this.failed = true
        return 0
      }
      this.bits |= this.input[this.next++]! << this.bitCount
      this.bitCount += 8
    }
    const value = this.bits & ((1 << count) - 1)
    this.bits >>>= count
    this.bitCount -= count
    return value
  }

  private symbol({ counts, symbols }: Code): number {
    let code = 0
    let first = 0
    let index = 0
    for (let length = 1; length <= mostBits; length++) {
      code |= this.take(1)
      if (this.failed) return endOfBlock
      const count = counts[length]!
      if (code - count < first) return symbols[index + (code - first)]!
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    this.failed = true
    return endOfBlock
  }

  private stored(): void {
    this.bits = 0
    this.bitCount = 0
    const length = this.take(16)
    const complement = this.take(16)
    const fits = this.next + length <= this.end && this.outputAt + length <= this.outputEnd
    if (this.failed || !fits || length !== (complement ^ 0xffff)) {
      this.failed = true
      return
    }
    for (let count = 0; count < length; count++) this.output[this.outputAt++] = this.input[this.next++]!
  }

  private readCodes(): boolean {
    const literalCount = this.take(5) + 257
    const distanceCount = this.take(5) + 1
    const lengthCount = this.take(4) + 4
    if (literalCount > 286 || distanceCount > distanceCodes) return false
    lengths.fill(0, 0, 19)
    for (let at = 0; at < lengthCount; at++) lengths[lengthOrder[at]!] = this.take(3)
    if (this.failed || !build(lengthCode, lengths, 0, 19, false)) return false
    const count = literalCount + distanceCount
    for (let at = 0; at < count && !this.failed;) {
      const symbol = this.symbol(lengthCode)
      if (symbol < 16) {
        lengths[at++] = symbol
        continue
      }
      if (symbol === 16 && at === 0) return false
      const repeated = symbol === 16 ? lengths[at - 1]! : 0
      const times = symbol === 16 ? 3 + this.take(2) : symbol === 17 ? 3 + this.take(3) : 11 + this.take(7)
      if (at + times > count) return false
      lengths.fill(repeated, at, at + times)
      at += times
    }
    return (
      !this.failed &&
      lengths[endOfBlock] !== 0 &&
      build(literals, lengths, 0, literalCount, true) &&
      build(distances, lengths, literalCount, distanceCount, true)
    )
  }

  private compressed(literalCode: Code, distanceCode: Code): void {
    const { output, outputEnd } = this
    for (;;) {
      const symbol = this.symbol(literalCode)
      if (symbol === endOfBlock) return
      if (symbol < endOfBlock) {
        if (this.outputAt === outputEnd) return this.fail()
        output[this.outputAt++] = symbol
        continue
      }
      const index = symbol - 257
      if (index >= lengthBase.length) return this.fail()
      const length = lengthBase[index]! + this.take(lengthExtra[index]!)
      const distanceSymbol = this.symbol(distanceCode)
      if (this.failed) return
      const distance = distanceBase(distanceSymbol) + this.take(distanceExtra(distanceSymbol))
      if (this.failed) return
      const from = this.outputAt - distance
      // A stream after a final block has no window from before it.
      if (from < this.outputStart || this.outputAt + length > outputEnd) return this.fail()
      for (let at = from; at < from + length; at++) output[this.outputAt++] = output[at]!
    }
  }

  private fail(): void {
    this.failed = true
  }
}

/** All decompressors share one: a run is over before the next begins. */
export const shortStreams: ShortStreams = new ShortStreams()
