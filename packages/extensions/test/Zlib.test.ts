import { Zlib } from "@effect-ws/extensions"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as NodeZlib from "node:zlib"
import * as NaiveInflate from "./NaiveInflate.ts"
import { bytesFrom, fromHex, hex, randomFrom } from "./Pair.ts"

type Result = Uint8Array | Zlib.InflateFailure

const finished = <A extends Uint8Array | string>(result: A | Zlib.Deferred<A>): Effect.Effect<A> =>
  typeof result === "string" || result instanceof Uint8Array
    ? Effect.succeed(result)
    : Effect.callback((resume) => result.start((value) => resume(Effect.succeed(value))))

const compress = (deflater: Zlib.Deflater, input: Uint8Array, last = true): Effect.Effect<Uint8Array> =>
  Effect.map(finished(deflater.deflate(input, last)), (output) => {
    if (output === "OutOfMemory") throw new Error("out of memory")
    return output
  })

const decompress = (inflater: Zlib.Inflater, input: Uint8Array, limit = 1e9, last = true): Effect.Effect<Result> =>
  finished(inflater.inflate(input.slice(), last, limit))

const assertBytes = (actual: Result, expected: Uint8Array): void => {
  if (typeof actual === "string") throw new Error(actual)
  assert.isTrue(Buffer.from(actual).equals(expected), `${hex(actual.subarray(0, 64))} (${actual.length} bytes)`)
}

const defaults: Zlib.DeflaterOptions = { windowBits: 15, level: 6, memLevel: 8, contextTakeover: true }

const text = (length: number): Uint8Array => bytesFrom(randomFrom(8), length).map((byte) => 97 + (byte & 3))

/** Zeros, compressed a thousandfold, ten times as many as are asked for at a time. */
const bomb = (megabytes: number): Effect.Effect<Uint8Array> =>
  Effect.gen(function* () {
    const deflater = Zlib.make().deflater({ ...defaults, contextTakeover: true, level: 9 })
    const pieces: Array<Uint8Array> = []
    const zeros = new Uint8Array(1024 * 1024)
    for (let at = 1; at <= megabytes; at++) pieces.push(yield* compress(deflater, zeros, at === megabytes))
    deflater.close()
    return new Uint8Array(Buffer.concat(pieces))
  })

/** A final block whose only symbol, by a code of its own, is the end of the block: the shortest of its kind. */
const emptyDynamicBlock = ((): Uint8Array => {
  const lengthCodes = Array.from({ length: 18 }, (_, at) => (at === 2 || at === 17 ? "100" : "000")).join("")
  // 138 and 118 lengths of 0, and two of 1: the end of the block, and a distance.
  const lengths = `1${"1111111"}1${"1101011"}00`
  const bits = `101${"00000"}${"00000"}${"0111"}${lengthCodes}${lengths}0`
  return Uint8Array.from({ length: Math.ceil(bits.length / 8) }, (_, at) =>
    Number.parseInt([...bits.slice(at * 8, at * 8 + 8).padEnd(8, "0")].reverse().join(""), 2)
  )
})()

describe.each([
  { name: "native", make: Zlib.make },
  { name: "portable", make: Zlib.makePortable }
])("Zlib, $name", ({ make }) => {
  const Case = Schema.Struct({
    seed: Schema.Int,
    windowBits: Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 15 })),
    level: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })),
    memLevel: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
    contextTakeover: Schema.Boolean,
    messages: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 }))
  })

  it.effect.prop(
    "inflate after deflate is the identity, in pieces too, on this thread and on others",
    [Case],
    ([options]) =>
      Effect.gen(function* () {
        const random = randomFrom(options.seed)
        const zlib = make({ inlineBytes: 2000 })
        const deflater = zlib.deflater(options)
        const inflater = zlib.inflater(options)
        for (let message = 0; message < options.messages; message++) {
          const expected: Array<Uint8Array> = []
          const actual: Array<Uint8Array> = []
          const pieces = 1 + Math.floor(random() * 3)
          for (let piece = 1; piece <= pieces; piece++) {
            const input = bytesFrom(random, Math.floor(random() ** 3 * 10_000))
            expected.push(input)
            const packed = yield* compress(deflater, input, piece === pieces)
            const cut = Math.floor(random() * packed.length)
            for (const [part, last] of [
              [packed.subarray(0, cut), false],
              [packed.subarray(cut), piece === pieces]
            ] as const) {
              const output = yield* decompress(inflater, part, 1e6, last)
              if (typeof output === "string") throw new Error(output)
              actual.push(output)
            }
          }
          assertBytes(Buffer.concat(actual), Buffer.concat(expected))
        }
        deflater.close()
        inflater.close()
      }),
    { arbitrary: { runs: process.env["CI"] ? 1000 : 200 }, timeout: 120_000 }
  )

  it.effect("stops at the limit, exactly", () =>
    Effect.gen(function* () {
      for (const length of [0, 1, 100, 5000, 65_536, 400_000]) {
        for (const inlineBytes of [10, 32_768, 1e6]) {
          const zlib = make({ inlineBytes })
          const packed = yield* compress(zlib.deflater(defaults), text(length))
          assertBytes(yield* decompress(zlib.inflater(defaults), packed, length), text(length))
          if (length > 0) assert.strictEqual(yield* decompress(zlib.inflater(defaults), packed, length - 1), "TooBig")
        }
      }
    })
  )

  it.effect(
    "a bomb is stopped in bounded memory",
    () =>
      Effect.gen(function* () {
        const input = yield* bomb(100)
        assert.isBelow(input.length, 110_000)
        for (const inlineBytes of [32_768, 1e6]) {
          const inflater = make({ inlineBytes }).inflater(defaults)
          const before = process.memoryUsage()
          assert.strictEqual(yield* decompress(inflater, input, 4 * 1024 * 1024), "TooBig")
          const after = process.memoryUsage()
          assert.isBelow(after.arrayBuffers - before.arrayBuffers, 10 * 1024 * 1024)
        }
      }),
    60_000
  )

  it.effect("garbage is called garbage", () =>
    Effect.gen(function* () {
      for (const inlineBytes of [2, 32_768]) {
        // The last ones end inside a block that the bytes appended to them could complete.
        for (const garbage of [
          "ffffffffff",
          "06",
          "000100fefe41",
          "f248cdc9c907004b04",
          "0501ff",
          "010900f6ff48656c6c6f",
          "011100eeff48656c6c6f",
          "011600e9ff48656c6c6f",
          "001100eeff48656c6c6f",
          "04c1034018000000b06cdbb66ddbb66ddbb66ddbb66d3edbb65ddffe91ff0bfd77ff2ffc9f00000000000000000000000000dfbf",
          "05c10920130a0300e062b9ef3d4cee3d0035e1b932e78fa2886949f91de9ed6d9e6beb709523cc1ccdf51a99a958b9d228e7cf08b351ccb1cc19136af30cc92c39feef1b"
        ]) {
          const outcome = yield* decompress(make({ inlineBytes }).inflater(defaults), fromHex(garbage))
          assert.strictEqual(outcome, "InvalidData", garbage)
        }
      }
    })
  )

  it.effect("final blocks end neither the message nor the connection", () =>
    Effect.gen(function* () {
      const hello = Buffer.from("Hello")
      for (const inlineBytes of [0, 32_768]) {
        for (const contextTakeover of [true, false]) {
          const inflater = make({ inlineBytes }).inflater({ windowBits: 15, contextTakeover })
          for (const [packed, copies] of [
            // RFC 7692 7.2.3.4
            ["f348cdc9c9070000", 1],
            // no block behind the final one
            ["f348cdc9c90700", 1],
            ["f348cdc9c90700 f348cdc9c90700 f248cdc9c90700", 3],
            ["f348cdc9c90700 f348cdc9c90700", 2],
            ["f248cdc9c90700", 1]
          ] as const) {
            const expected = Buffer.concat(Array.from({ length: copies }, () => hello))
            assertBytes(yield* decompress(inflater, fromHex(packed)), expected)
          }
        }
      }
    })
  )

  it.effect("decompresses a message of many deflate streams of every kind", () =>
    Effect.gen(function* () {
      const random = randomFrom(11)
      const strategies = [0, 1, 2, 3, 4]
      for (const inlineBytes of [0, 2000, 1e6]) {
        const zlib = make({ inlineBytes })
        for (let round = 0; round < 60; round++) {
          const inflater = zlib.inflater({ windowBits: 15, contextTakeover: round % 2 === 0 })
          for (let message = 0; message < 3; message++) {
            const inputs = Array.from({ length: 1 + Math.floor(random() * 30) }, () => {
              const length = Math.floor(random() ** 4 * 1000)
              return random() < 0.5 ? bytesFrom(random, length) : text(length)
            })
            const streams = inputs.map((input) =>
              NodeZlib.deflateRawSync(input, {
                level: Math.floor(random() * 10),
                strategy: strategies[Math.floor(random() * strategies.length)]!
              })
            )
            // RFC 7692 7.2.3.4: a block behind the final one, or none.
            const end = random() < 0.5 ? [Uint8Array.of(0)] : []
            const packed = new Uint8Array(Buffer.concat([...streams, ...end]))
            const cut = Math.floor(random() * packed.length)
            const first = yield* decompress(inflater, packed.subarray(0, cut), 1e6, false)
            const second = yield* decompress(inflater, packed.subarray(cut), 1e6)
            if (typeof first === "string" || typeof second === "string")
              throw new Error(`${String(first)} ${String(second)}`)
            assertBytes(new Uint8Array(Buffer.concat([first, second])), new Uint8Array(Buffer.concat(inputs)))
          }
          inflater.close()
        }
      }
    })
  )

  it.effect.each([
    { name: "empty", unit: "0300" },
    { name: "empty and stored", unit: "010000ffff" },
    { name: "of one byte", unit: "4b0400" },
    { name: "empty with codes of their own", unit: hex(emptyDynamicBlock) }
  ])(
    "works on a message of final blocks, $name, in proportion to its length",
    ({ unit: block }) =>
      Effect.gen(function* () {
        const unit = fromHex(block)
        const input = new Uint8Array(Buffer.concat(Array.from({ length: (256 * 1024) / unit.length }, () => unit)))
        for (const inlineBytes of [32_768, 1e6]) {
          let least = Infinity
          for (let round = 0; round < 3 && least > 500; round++) {
            const inflater = make({ inlineBytes }).inflater(defaults)
            const before = process.cpuUsage()
            const output = yield* decompress(inflater, input)
            const { system, user } = process.cpuUsage(before)
            least = Math.min(least, (system + user) / 1000)
            assert.isTrue(output instanceof Uint8Array, String(output))
            inflater.close()
          }
          // 256 KiB took minutes of processor time when each block needed a context.
          assert.isBelow(least, 500)
        }
      }),
    60_000
  )

  it.effect("calls a message garbage that ends inside a block", () =>
    Effect.gen(function* () {
      const message = text(400)
      const whole = [
        ...[0, 1, 6, 9].map((level) => NodeZlib.deflateRawSync(message, { level })),
        NodeZlib.deflateRawSync(message, { strategy: NodeZlib.constants.Z_FIXED })
      ]
      for (const inlineBytes of [0, 32_768]) {
        for (const contextTakeover of [true, false]) {
          for (const packed of whole) {
            const zlib = make({ inlineBytes })
            for (let length = 0; length < packed.length; length++) {
              // The header of a stored block, and the tail behind it, are an empty block.
              if (length === 1 && packed[0] === 0x01) continue
              const inflater = zlib.inflater({ windowBits: 15, contextTakeover })
              const outcome = yield* decompress(inflater, packed.subarray(0, length))
              assert.strictEqual(outcome, "InvalidData", `${length} of ${hex(packed)}`)
              inflater.close()
            }
            // The contexts that these left are as good as new.
            const inflater = zlib.inflater({ windowBits: 15, contextTakeover })
            for (let round = 0; round < 3; round++) assertBytes(yield* decompress(inflater, packed), message)
            inflater.close()
          }
        }
      }
    })
  )

  it.effect(
    "with a window of 2^8 nothing refers back further",
    () =>
      Effect.gen(function* () {
        let longest = 0
        for (const level of [1, 3, 4, 6, 9]) {
          for (const memLevel of [1, 8, 9]) {
            for (let seed = 0; seed < 6; seed++) {
              const random = randomFrom(seed)
              const deflater = make().deflater({ windowBits: 8, level, memLevel, contextTakeover: true })
              let window: ReadonlyArray<number> = []
              for (let message = 0; message < 8; message++) {
                // Repetitions at every distance around the window.
                const input = bytesFrom(random, 200 + Math.floor(random() * 1500))
                const distance = 240 + Math.floor(random() * 30)
                for (let at = distance; at < input.length; at++) if (random() < 0.97) input[at] = input[at - distance]!
                const packed = yield* compress(deflater, input, false)
                const inflated = NaiveInflate.inflate(packed, window)
                assert.isTrue(Buffer.from(inflated.bytes).equals(input))
                longest = Math.max(longest, inflated.longestDistance)
                window = [...window, ...input].slice(-32_768)
              }
            }
          }
        }
        assert.isAtMost(longest, 256)
        // The search for repetitions did reach as far as it may.
        assert.isAtLeast(longest, 240)
      }),
    60_000
  )
})

describe("Zlib, native", () => {
  it.effect("keeps its window from message to message, and gives it up where memory is short", () =>
    Effect.gen(function* () {
      const cost = 256 * 1024 + 16 * 1024
      const zlib = Zlib.make({ memoryBudget: 3 * cost })
      const random = randomFrom(5)
      const message = Uint8Array.from({ length: 2000 }, () => random() * 256)
      const deflaters = Array.from({ length: 5 }, () => zlib.deflater(defaults))
      const inflater = Zlib.make().inflater(defaults)
      const first = yield* compress(deflaters[0]!, message)
      assert.isBelow((yield* compress(deflaters[0]!, message)).length, first.length / 10)
      for (const deflater of deflaters.slice(1)) yield* compress(deflater, message)
      // The first was idle longest, so its window went to another; it starts again, which every decompressor
      // understands.
      const again = yield* compress(deflaters[0]!, message)
      assert.strictEqual(again.length, first.length)
      assertBytes(yield* decompress(inflater, first), message)
      assertBytes(yield* decompress(inflater, again), message)
      assert.isBelow((yield* compress(deflaters[0]!, message)).length, first.length / 10)
    })
  )

  it.effect("compresses nothing, and decompresses nothing, where the budget does not allow it", () =>
    Effect.gen(function* () {
      const zlib = Zlib.make({ memoryBudget: 300 * 1024 })
      const holder = zlib.deflater({ ...defaults, contextTakeover: false })
      // In the middle of a message a context cannot be taken away.
      yield* compress(holder, text(100), false)
      assert.strictEqual(zlib.deflater(defaults).deflate(text(100), true), "OutOfMemory")
      assert.strictEqual(zlib.inflater(defaults).inflate(text(100), true, 1000), "OutOfMemory")
      yield* compress(holder, text(100), true)
      yield* compress(zlib.deflater(defaults), text(100))
      const inflater = zlib.inflater(defaults)
      const packed = yield* compress(Zlib.make().deflater(defaults), text(100))
      assertBytes(yield* decompress(inflater, packed), text(100))
    })
  )

  it.effect(
    "releases its memory on close, also while the thread pool is at work",
    () =>
      Effect.gen(function* () {
        // Room for one compressor of this kind and one of another, not for two of a kind each.
        const zlib = Zlib.make({ memoryBudget: 360 * 1024, concurrency: 1 })
        const long = text(300_000)
        for (let round = 0; round < 20; round++) {
          const deflater = zlib.deflater(defaults)
          const work = deflater.deflate(long, true)
          assert.isTrue(typeof work === "object" && "_tag" in work)
          let reported = false
          if (typeof work === "object" && "start" in work && round % 3 !== 0) work.start(() => (reported = true))
          deflater.close()
          deflater.close()
          // The next in line gets its turn, and by then the context is free again.
          const next = zlib.deflater({ ...defaults, level: 1, memLevel: 1, windowBits: 9 })
          yield* compress(next, long)
          next.close()
          assert.isFalse(reported)
        }
        const last = zlib.deflater(defaults)
        assert.isAbove((yield* compress(last, text(1000))).length, 0)
      }),
    60_000
  )

  it.effect("runs no more than its concurrency on the thread pool", () =>
    Effect.gen(function* () {
      const zlib = Zlib.make({ concurrency: 2 })
      const sizes = [400_000, 300_000, 200_000, 100_000, 50_000]
      const outputs = yield* Effect.forEach(sizes, (size) => compress(zlib.deflater(defaults), text(size)), {
        concurrency: "unbounded"
      })
      for (const [index, size] of sizes.entries()) {
        assertBytes(yield* decompress(zlib.inflater(defaults), outputs[index]!), text(size))
      }
    })
  )
})
