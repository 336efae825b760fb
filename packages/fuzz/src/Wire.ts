/**
 * Frames written by hand, right or wrong in any field, without the writer of `protocol`.
 */
import type { Role } from "@effect-ws/protocol/SessionState"
import type { Random } from "./Random.ts"

/** Everything that the header of a frame says; `form` is how many bytes the length takes. */
export interface Fields {
  readonly fin: boolean
  readonly rsv: number
  readonly opcode: number
  readonly masked: boolean
  readonly form: 0 | 2 | 8
  readonly length: number
}

const formOf = (length: number): Fields["form"] => (length < 126 ? 0 : length < 65_536 ? 2 : 8)

export const encode = (fields: Fields, payload: Uint8Array, key: number): Uint8Array => {
  const header = [(fields.fin ? 0x80 : 0) | fields.rsv | fields.opcode]
  const mask = fields.masked ? 0x80 : 0
  if (fields.form === 0) header.push(mask | (fields.length & 0x7f))
  else {
    header.push(mask | (fields.form === 2 ? 126 : 127))
    for (let at = fields.form - 1; at >= 0; at--) header.push(Math.floor(fields.length / 256 ** at) % 256)
  }
  const bytes = new Uint8Array(header.length + (fields.masked ? 4 : 0) + payload.length)
  bytes.set(header)
  if (!fields.masked) bytes.set(payload, header.length)
  else {
    for (let at = 0; at < 4; at++) bytes[header.length + at] = key >>> (8 * at)
    for (let at = 0; at < payload.length; at++) {
      bytes[header.length + 4 + at] = payload[at]! ^ ((key >>> (8 * (at & 3))) & 0xff)
    }
  }
  return bytes
}

/** Pieces of text, some of which end in the middle of a character or are no UTF-8. */
const texts = [
  [0x61],
  [0xc3, 0xa9],
  [0xe2, 0x82, 0xac],
  [0xf0, 0x9f, 0x98, 0x80],
  [0x00],
  [0xef, 0xbb, 0xbf],
  [0xe2, 0x82],
  [0xf0, 0x9f],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xff]
]

export const text = (random: Random, most: number): Uint8Array => {
  const pieces: Array<number> = []
  const isValid = random.chance(0.9)
  for (let count = random.length(most); count > 0; count--) {
    pieces.push(...texts[random.below(isValid ? 6 : texts.length)]!)
  }
  return Uint8Array.from(pieces)
}

const closePayload = (random: Random): Uint8Array => {
  if (random.chance(0.2)) return random.bytes(random.below(3))
  const code = random.pick([
    1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 0, 999
  ])
  return Uint8Array.of(code >> 8, code & 0xff, ...text(random, 40).subarray(0, 123))
}

/** Makes a stream of frames as a peer of `role` may receive it; every now and then a field is wrong. */
export const frames = (random: Random, role: Role, payloads: (random: Random) => Uint8Array): Uint8Array => {
  const parts: Array<Uint8Array> = []
  let inMessage = false
  const wrong = random.chance(0.6) ? random.pick([0.02, 0.1, 0.4]) : 0
  for (let count = 1 + random.below(12); count > 0; count--) {
    const isControl = random.chance(0.3)
    const isClose = isControl && random.chance(0.1)
    let opcode = isClose ? 8 : isControl ? random.pick([9, 10]) : inMessage ? 0 : random.pick([1, 2])
    let fin = isControl || random.chance(0.6)
    if (random.chance(wrong)) opcode = random.below(16)
    if (random.chance(wrong)) fin = !fin
    const payload =
      opcode === 8
        ? closePayload(random)
        : isControl
          ? random.bytes(random.length(125))
          : opcode === 1
            ? text(random, 300)
            : payloads(random)
    let form = formOf(payload.length)
    let length = payload.length
    if (random.chance(wrong)) form = random.pick([0, 2, 8])
    if (random.chance(wrong))
      length = random.pick([0, 1, 125, 126, 127, 65_535, 65_536, 2 ** 31, 2 ** 53, 2 ** 63, payload.length + 1])
    const fields = {
      fin,
      rsv: random.chance(wrong) ? random.pick([0x10, 0x20, 0x40, 0x70]) : 0,
      opcode,
      masked: (role === "server") !== random.chance(wrong / 2),
      form,
      length
    }
    parts.push(encode(fields, payload, random.chance(0.1) ? 0 : random.below(2 ** 32)))
    if (!isControl) inMessage = !fin
  }
  return new Uint8Array(Buffer.concat(parts))
}
