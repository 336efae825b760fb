/**
 * DEFLATE decompression (RFC 1951), straight from its text, as the naive twin of zlib: slow, and it tells how far back
 * the data refer.
 */
export interface Inflated {
  readonly bytes: ReadonlyArray<number>
  /** The longest distance of any repetition. */
  readonly longestDistance: number
}

const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258
]
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12_289, 16_385, 24_577
]
const codeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** Decompresses blocks until the input ends; `window` is what came before. */
export const inflate = (input: Uint8Array, window: ReadonlyArray<number> = []): Inflated => {
  const bytes = [...window]
  let longestDistance = 0
  let bitAt = 0
  const bit = (): number => {
    const value = (input[bitAt >>> 3]! >>> (bitAt & 7)) & 1
    bitAt++
    return value
  }
  const bits = (count: number): number => {
    let value = 0
    for (let at = 0; at < count; at++) value |= bit() << at
    return value
  }
  // A code is a map from "length:value" to its symbol.
  const read = (code: ReadonlyMap<string, number>): number => {
    let value = 0
    for (let length = 1; length <= 15; length++) {
      value = (value << 1) | bit()
      const symbol = code.get(`${length}:${value}`)
      if (symbol !== undefined) return symbol
    }
    throw new Error("no such code")
  }
  while (bitAt <= input.length * 8 - 3) {
    bit()
    const type = bits(2)
    if (type === 0) {
      bitAt = (bitAt + 7) & ~7
      const length = bits(16)
      bitAt += 16
      for (let at = 0; at < length; at++) bytes.push(bits(8))
      continue
    }
    if (type === 3) throw new Error("block type 3")
    const [literals, distances] = type === 1 ? [fixedLiterals, fixedDistances] : readCodes(bits, read)
    for (;;) {
      const symbol = read(literals)
      if (symbol === 256) break
      if (symbol < 256) {
        bytes.push(symbol)
        continue
      }
      const length = lengthBase[symbol - 257]! + bits(lengthExtra[symbol - 257]!)
      const distanceSymbol = read(distances)
      const distance = distanceBase[distanceSymbol]! + bits(Math.max(0, (distanceSymbol >> 1) - 1))
      if (distance > bytes.length) throw new Error("distance too far back")
      longestDistance = Math.max(longestDistance, distance)
      for (let at = 0; at < length; at++) bytes.push(bytes[bytes.length - distance]!)
    }
  }
  return { bytes: bytes.slice(window.length), longestDistance }
}

const codeOf = (lengths: ReadonlyArray<number>): ReadonlyMap<string, number> => {
  const code = new Map<string, number>()
  let value = 0
  for (let length = 1; length <= 15; length++) {
    value <<= 1
    lengths.forEach((each, symbol) => {
      if (each === length) code.set(`${length}:${value++}`, symbol)
    })
  }
  return code
}

const fixedLiterals = codeOf(
  Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8))
)
const fixedDistances = codeOf(Array.from({ length: 30 }, () => 5))

const readCodes = (
  bits: (count: number) => number,
  read: (code: ReadonlyMap<string, number>) => number
): readonly [ReadonlyMap<string, number>, ReadonlyMap<string, number>] => {
  const literalCount = bits(5) + 257
  const distanceCount = bits(5) + 1
  const codeLengths = Array.from({ length: 19 }, () => 0)
  const codeCount = bits(4) + 4
  for (const symbol of codeOrder.slice(0, codeCount)) codeLengths[symbol] = bits(3)
  const code = codeOf(codeLengths)
  const lengths: Array<number> = []
  while (lengths.length < literalCount + distanceCount) {
    const symbol = read(code)
    if (symbol < 16) lengths.push(symbol)
    else if (symbol === 16) lengths.push(...Array.from({ length: 3 + bits(2) }, () => lengths.at(-1)!))
    else lengths.push(...Array.from({ length: symbol === 17 ? 3 + bits(3) : 11 + bits(7) }, () => 0))
  }
  return [codeOf(lengths.slice(0, literalCount)), codeOf(lengths.slice(literalCount))]
}
