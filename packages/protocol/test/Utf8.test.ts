import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Utf8 from "../src/Utf8.ts"
import { noise, split, toHex, utf8 } from "./fixtures/wire.ts"

const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isValid = (bytes: Uint8Array): boolean => {
  try {
    fatal.decode(bytes)
    return true
  } catch {
    return false
  }
}

// What can complete a character that was cut off: its second byte may be bound to a part of the range.
const completions = [[], [0x80], [0xa0], [0x90], [0x9f], [0x8f], [0xbf], [0x80, 0x80], [0xa0, 0x80], [0x90, 0x80, 0x80]]
  .concat([0x80, 0x90, 0x8f, 0xbf, 0x9f].map((second) => [second, 0x80, 0x80]))
  .concat([0x80, 0xa0, 0x9f].map((second) => [second, 0x80]))

// The naive oracle: the shortest prefix that nothing can make valid ends in the first impossible byte.
const firstImpossible = (bytes: Uint8Array): number => {
  for (let length = 1; length <= bytes.length; length++) {
    const prefix = bytes.subarray(0, length)
    if (!completions.some((rest) => isValid(Uint8Array.from([...prefix, ...rest])))) return length - 1
  }
  return -1
}

const check = (chunks: ReadonlyArray<Uint8Array>): { readonly at: number; readonly complete: boolean } => {
  const validator = new Utf8.Validator()
  let before = 0
  for (const chunk of chunks) {
    const at = validator.push(chunk)
    if (at >= 0) return { at: before + at, complete: false }
    before += chunk.length
  }
  return { at: -1, complete: validator.isComplete }
}

const agrees = (bytes: Uint8Array, cuts: ReadonlyArray<number>): void => {
  const { at, complete } = check(split(bytes, cuts))
  assert.strictEqual(at, firstImpossible(bytes), toHex(bytes))
  assert.strictEqual(at < 0 && complete, isValid(bytes), toHex(bytes))
  assert.strictEqual(Utf8.decode(bytes) !== undefined, isValid(bytes))
}

const cuts = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 }))), {
  maxLength: 6
})

describe("Utf8.Validator", () => {
  it("takes the edges of every length, and refuses what lies beyond them at the right byte", () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<number>, number]> = [
      [[0x00], -1],
      [[0x7f], -1],
      [[0x80], 0],
      [[0xbf], 0],
      [[0xc0, 0x80], 0],
      [[0xc1, 0xbf], 0],
      [[0xc2, 0x80], -1],
      [[0xc2, 0x7f], 1],
      [[0xdf, 0xbf], -1],
      [[0xe0, 0x9f, 0xbf], 1],
      [[0xe0, 0xa0, 0x80], -1],
      [[0xed, 0x9f, 0xbf], -1],
      [[0xed, 0xa0, 0x80], 1],
      [[0xef, 0xbb, 0xbf], -1],
      [[0xef, 0xbf, 0xbe], -1],
      [[0xef, 0xbf, 0x3f], 2],
      [[0xf0, 0x8f, 0xbf, 0xbf], 1],
      [[0xf0, 0x90, 0x80, 0x80], -1],
      [[0xf4, 0x8f, 0xbf, 0xbf], -1],
      [[0xf4, 0x90, 0x80, 0x80], 1],
      [[0xf5, 0x80, 0x80, 0x80], 0],
      [[0xff], 0]
    ]
    for (const [bytes, at] of cases) {
      assert.strictEqual(check([Uint8Array.from(bytes)]).at, at, toHex(Uint8Array.from(bytes)))
      assert.strictEqual(check([utf8("abcde"), Uint8Array.from(bytes)]).at, at < 0 ? -1 : 5 + at)
      agrees(Uint8Array.from(bytes), [])
    }
  })

  it("agrees with TextDecoder on every sequence of a lead byte and two more", () => {
    const seconds = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]
    for (let lead = 0; lead < 256; lead++) {
      for (const second of seconds) {
        for (const third of [0x41, 0x80, 0xbf, 0xc2]) agrees(Uint8Array.of(lead, second, third), [1])
      }
    }
  })

  it.prop(
    "agrees with TextDecoder on random bytes",
    { bytes: Schema.Uint8Array, cuts },
    ({ bytes, cuts }) => agrees(bytes, cuts),
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )

  it.prop(
    "agrees with TextDecoder on text with one byte changed",
    {
      text: Schema.String,
      at: Schema.Natural,
      byte: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })),
      cuts
    },
    ({ at, byte, cuts, text }) => {
      const bytes = utf8(text)
      if (bytes.length > 0) bytes[at % bytes.length] = byte
      agrees(bytes, cuts)
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )

  it.prop(
    "takes valid text in any pieces, and knows when a character is cut off",
    { text: Schema.String, cut: Schema.Natural, seed: Schema.Int },
    ({ cut, seed, text }) => {
      const bytes = utf8(`${text}\u{10FFFF}\uFEFF\0${"a".repeat(Math.abs(seed) % 40)}é水😀`)
      assert.deepStrictEqual(check(split(bytes, [cut, seed >>> 1, 3, 17])), { at: -1, complete: true })
      const part = bytes.subarray(0, cut % bytes.length)
      assert.deepStrictEqual(check([part]), { at: -1, complete: isValid(part) })
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )
})

describe("Utf8", () => {
  it("keeps a byte order mark, NUL and non-characters", () => {
    for (const text of ["\uFEFFa", "\0", "\uFFFE\uFFFF", "\u{1FFFE}"]) {
      assert.strictEqual(Utf8.decode(Utf8.encode(text)), text)
    }
  })

  it("writes lone surrogates as U+FFFD", () => {
    assert.strictEqual(toHex(Utf8.encode("\ud83d")), "ef bf bd")
  })

  it("truncates to whole characters", () => {
    assert.strictEqual(Utf8.truncate("aé水😀", 10), "aé水😀")
    assert.strictEqual(Utf8.truncate("aé水😀", 9), "aé水")
    assert.strictEqual(Utf8.truncate("aé水😀", 5), "aé")
    assert.strictEqual(Utf8.truncate("aé水😀", 2), "a")
    assert.strictEqual(Utf8.truncate("aé", 0), "")
    assert.strictEqual(Utf8.truncate("\ud83dx", 4), "\ud83dx")
  })

  it("decodes no invalid bytes", () => {
    assert.isUndefined(Utf8.decode(noise(64, 3)))
  })
})
