import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { applyVectors } from "../src/internal/maskVectors.ts"
import { applyWords } from "../src/internal/maskWords.ts"
import * as Mask from "../src/Mask.ts"
import { mask, noise, toHex } from "./fixtures/wire.ts"

const key = [0x37, 0xfa, 0x21, 0x3d]
const packed = Mask.keyFromBytes(Uint8Array.from(key))

const range = (from: number, to: number): Array<number> => Array.from({ length: to - from + 1 }, (_, at) => from + at)

describe("Mask", () => {
  it("packs and unpacks keys, the highest included", () => {
    for (const bytes of [key, [0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0x80], [1, 2, 3, 4]]) {
      const number = Mask.keyFromBytes(Uint8Array.from([9, ...bytes]), 1)
      assert.deepStrictEqual(Array.from(Mask.keyToBytes(number)), bytes)
    }
  })

  // Node has WebAssembly SIMD; where it is missing the loop over words masks everything.
  for (const [name, apply] of [
    ["applyInPlace", Mask.applyInPlace],
    ["the loop over words", applyWords],
    ["WebAssembly", applyVectors!]
  ] as const) {
    it(`agrees with the formula of RFC 6455 5.3 at all lengths and alignments, and touches nothing else (${name})`, () => {
      for (const length of [...range(0, 64), ...range(120, 140), 511, 512, 513, 1000, 16_383, 16_384, 16_385, 40_001]) {
        for (const alignment of range(0, 7)) {
          for (const offset of [0, 1, 3]) {
            const room = noise(length + 32, length)
            const before = room.slice()
            const view = room.subarray(alignment, alignment + offset + length + 8)
            apply(view, offset, offset + length, packed)
            const start = alignment + offset
            const expected = before.slice()
            expected.set(mask(before.subarray(start, start + length), key), start)
            assert.isTrue(Buffer.from(room).equals(expected), `length ${length} at ${alignment}+${offset}`)
          }
        }
      }
    })
  }

  it("leaves what lies beside a frame as it is, in buffers whose size is no multiple of four", () => {
    const bytes = noise(1003, 1)
    const before = bytes.slice()
    Mask.applyInPlace(bytes, 5, 405, packed)
    Mask.applyInPlace(bytes, 501, 1003, packed)
    assert.deepStrictEqual(bytes.subarray(5, 405), mask(before.subarray(5, 405), key))
    assert.deepStrictEqual(bytes.subarray(501), mask(before.subarray(501), key))
    assert.deepStrictEqual(bytes.subarray(405, 501), before.subarray(405, 501))
  })

  it("copies with apply, also from a Node Buffer", () => {
    for (const payload of [noise(200, 7), Buffer.from(noise(200, 7))]) {
      const before = Uint8Array.from(payload)
      const masked = Mask.apply(payload, packed)
      assert.strictEqual(toHex(masked), toHex(mask(before, key)))
      assert.strictEqual(toHex(payload), toHex(before))
    }
  })

  it.prop(
    "goes on where it stopped: any two cuts mask as one piece does",
    {
      key: Arbitrary.schema(Schema.Int.check(Schema.isInt32())),
      length: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 700 }))),
      cut: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 700 })))
    },
    ({ cut, key, length }) => {
      const whole = noise(length, key)
      const pieces = whole.slice()
      const at = Math.min(cut, length)
      Mask.applyInPlace(whole, 0, length, key)
      Mask.applyInPlace(pieces, 0, at, key)
      Mask.applyInPlace(pieces, at, length, Mask.advance(key, at))
      assert.strictEqual(toHex(pieces), toHex(whole))
      Mask.applyInPlace(pieces, 0, length, key)
      assert.strictEqual(toHex(pieces), toHex(noise(length, key)))
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )
})
