/**
 * Changes to bytes that do not know what the bytes mean.
 */
import type { Random } from "./Random.ts"

/** The most bytes of an input: in hex it has to fit into an argument of a command, 128 KiB on Linux. */
export const mostBytes = 60 * 1024

// Bytes at the edges of what protocols compare with.
const interesting = [0x00, 0x01, 0x03, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3a, 0x3b, 0x3d, 0x5c, 0x7d, 0x7e, 0x7f]
const highBytes = [0x80, 0x81, 0x88, 0xc0, 0xc1, 0xed, 0xf4, 0xfe, 0xff]

type Mutate = (bytes: Uint8Array, random: Random) => Uint8Array

const replace = (bytes: Uint8Array, from: number, to: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat([bytes.subarray(0, from), ...parts, bytes.subarray(to)]).subarray(0, mostBytes))

/** Picks a slice that is not empty. */
const slice = (bytes: Uint8Array, random: Random): readonly [number, number] => {
  const from = random.below(bytes.length)
  return [from, from + 1 + random.length(bytes.length - from - 1)]
}

const flipBit: Mutate = (bytes, random) => {
  const copy = bytes.slice()
  copy[random.below(copy.length)]! ^= 1 << random.below(8)
  return copy
}

const setByte: Mutate = (bytes, random) => {
  const copy = bytes.slice()
  copy[random.below(copy.length)] = random.pick(random.chance(0.5) ? interesting : highBytes)
  return copy
}

const remove: Mutate = (bytes, random) => replace(bytes, ...slice(bytes, random))

const truncate: Mutate = (bytes, random) => bytes.slice(0, random.below(bytes.length))

const duplicate: Mutate = (bytes, random) => {
  const [from, to] = slice(bytes, random)
  return replace(bytes, to, to, bytes.subarray(from, to))
}

const move: Mutate = (bytes, random) => {
  const [from, to] = slice(bytes, random)
  const at = random.below(from + 1)
  const rest = replace(bytes, from, to)
  return replace(rest, at, at, bytes.subarray(from, to))
}

const insert: Mutate = (bytes, random) => {
  const at = random.below(bytes.length + 1)
  return replace(bytes, at, at, random.bytes(1 + random.length(16)))
}

/** What costs more than it should is best seen when there is much of it. */
const repeat: Mutate = (bytes, random) => {
  const [from, to] = slice(bytes, random)
  const unit = bytes.subarray(from, Math.min(to, from + 64))
  const times = 1 + random.length(Math.floor(mostBytes / unit.length))
  return replace(bytes, to, to, ...Array.from({ length: times }, () => unit))
}

const mutations: ReadonlyArray<Mutate> = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  remove,
  truncate,
  duplicate,
  move,
  insert,
  repeat
]

/** Changes bytes in one to four ways. */
export const mutate = (bytes: Uint8Array, random: Random): Uint8Array => {
  let mutated = bytes
  for (let count = 1 + random.below(4); count > 0; count--) {
    mutated = mutated.length === 0 ? random.bytes(1) : random.pick(mutations)(mutated, random)
  }
  return mutated
}

/** Cuts bytes into pieces of random length; each has a buffer of its own, because a session owns what it is given. */
export const cut = (bytes: Uint8Array, random: Random, longest: number): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.below(longest))
    pieces.push(bytes.slice(at, end))
    at = end
  }
  return pieces
}

/** The ways in which every input is cut: whole, in pieces of any size, and byte by byte where it is short. */
export const cuts = (bytes: Uint8Array, random: Random): ReadonlyArray<ReadonlyArray<Uint8Array>> => {
  const longest = Math.max(2, Math.ceil(bytes.length / 4))
  const ways = [[bytes.slice()], cut(bytes, random, longest), cut(bytes, random, Math.min(longest, 64))]
  return bytes.length > 512 ? ways : [...ways, cut(bytes, random, 1)]
}
