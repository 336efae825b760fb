/**
 * Decompressing: deflate streams of all kinds, whole and damaged, as the payload of a message. The two implementations
 * of the zlib service have to agree, in this thread and on the thread pool, however a message is cut into frames.
 */
import { Zlib } from "@effect-ws/extensions"
import { constants, deflateRawSync } from "node:zlib"
import { cut, mostBytes, mutate } from "../Mutation.ts"
import { Random, seedOf } from "../Random.ts"
import type { Input, Target } from "../Target.ts"

type Result = Uint8Array | Zlib.InflateFailure

const limit = 1024 * 1024

interface Services {
  readonly [name: string]: Zlib.Service
}

const ours: Services = {
  native: Zlib.make(),
  pool: Zlib.make({ inlineBytes: 16 }),
  portable: Zlib.makePortable(),
  "portable-pool": Zlib.makePortable({ inlineBytes: 16 })
}

const inflate = async (
  service: Zlib.Service,
  pieces: ReadonlyArray<Uint8Array>,
  contextTakeover: boolean
): Promise<Result> => {
  const inflater = service.inflater({ windowBits: 15, contextTakeover })
  const outputs: Array<Uint8Array> = []
  let length = 0
  try {
    for (const [at, piece] of pieces.entries()) {
      const result = inflater.inflate(piece.slice(), at === pieces.length - 1, limit - length)
      const output: Result =
        typeof result === "string" || result instanceof Uint8Array ? result : await new Promise(result.start)
      if (typeof output === "string") return output
      outputs.push(output.slice())
      length += output.length
    }
    return Buffer.concat(outputs)
  } finally {
    inflater.close()
  }
}

const render = (result: Result): string =>
  typeof result === "string" ? result : `${result.length} bytes, ${Buffer.from(result.subarray(0, 40)).toString("hex")}`

const isSame = (a: Result, b: Result): boolean =>
  typeof a === "string" || typeof b === "string" ? a === b : Buffer.from(a).equals(b)

const check = async (services: Services, { bytes, setup }: Input): Promise<string | undefined> => {
  const random = new Random(seedOf(bytes))
  const contextTakeover = setup === "contextTakeover"
  const expected = await inflate(ours["native"]!, [bytes], contextTakeover)
  for (const [name, service] of Object.entries(services)) {
    for (const pieces of [[bytes], [...cut(bytes, random, Math.max(1, bytes.length)), new Uint8Array(0)]]) {
      const actual = await inflate(service, pieces, contextTakeover)
      if (isSame(actual, expected)) continue
      return `inflate: ${render(actual)} with ${name} in ${pieces.length}, ${render(expected)} with native in 1`
    }
  }
  return undefined
}

const empties = [
  [0x03, 0x00],
  [0x01, 0x00, 0x00, 0xff, 0xff],
  [0x00, 0x00, 0x00, 0xff, 0xff],
  [0x4b, 0x04, 0x00],
  [0x02, 0x00]
]

const stream = (random: Random): Uint8Array => {
  if (random.chance(0.2)) return Uint8Array.from(random.pick(empties))
  const kind = random.below(3)
  const length = random.length(random.chance(0.05) ? 100_000 : 2000)
  const plain = Uint8Array.from({ length }, (_, at) =>
    kind === 0 ? random.below(256) : kind === 1 ? 97 + random.below(3) : at % 7
  )
  const isFinal = random.chance(0.5)
  const packed = deflateRawSync(plain, {
    level: random.below(10),
    memLevel: 1 + random.below(9),
    windowBits: 9 + random.below(7),
    strategy: random.pick([constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE]),
    finishFlush: isFinal ? constants.Z_FINISH : constants.Z_SYNC_FLUSH
  })
  return new Uint8Array(isFinal ? packed : packed.subarray(0, packed.length - random.pick([0, 4])))
}

/** Makes the target; a test gives services of its own. */
export const make = (services: Services = ours): Target => ({
  name: "zlib",
  setups: ["contextTakeover", "reset"],
  generate: (random) => {
    const streams = Array.from({ length: 1 + random.length(8) }, () => stream(random))
    const bytes = new Uint8Array(Buffer.concat(streams).subarray(0, mostBytes))
    return random.chance(0.6) ? mutate(bytes, random) : bytes
  },
  check: (input) => check(services, input),
  work: async ({ bytes, setup }) => {
    let produced = 0
    for (const service of Object.values(services)) {
      const result = await inflate(service, [bytes], setup === "contextTakeover")
      // What came out before a failure is not known.
      produced += result === "TooBig" ? limit : typeof result === "string" ? bytes.length : result.length
    }
    return produced
  }
})
