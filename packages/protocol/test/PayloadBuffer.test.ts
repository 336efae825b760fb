import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { PayloadBuffer } from "../src/internal/PayloadBuffer.ts"
import { runs } from "./fixtures/ends.ts"
import { concat, noise } from "./fixtures/wire.ts"

// An assembly that tells what it allocates.
const measured = (): { readonly assembly: PayloadBuffer; readonly allocated: Array<number> } => {
  const allocated: Array<number> = []
  const assembly = new PayloadBuffer((size) => {
    allocated.push(size)
    return new Uint8Array(size)
  })
  return { assembly, allocated }
}

const total = (sizes: ReadonlyArray<number>): number => sizes.reduce((sum, size) => sum + size, 0)

// A piece as it comes: a view into a chunk that may hold more.
const view = (payload: Uint8Array, around: number): Uint8Array => {
  const chunk = new Uint8Array(payload.length + around)
  chunk.set(payload, around >> 1)
  return chunk.subarray(around >> 1, (around >> 1) + payload.length)
}

describe("Assembly", () => {
  it.prop(
    "puts pieces together, and never holds more than four times what has arrived, or 64 KiB",
    {
      pieces: Arbitrary.array(
        Arbitrary.all({
          size: Arbitrary.schema(Schema.Literals([0, 1, 7, 255, 256, 1000, 4095, 4096, 16_384, 65_536, 100_000])),
          around: Arbitrary.schema(Schema.Literals([0, 0, 4, 4096, 60_000, 400_000]))
        }),
        { maxLength: 12 }
      )
    },
    ({ pieces }) => {
      const { allocated, assembly } = measured()
      const payloads = pieces.map(({ size }, at) => noise(size, at))
      let arrived = 0
      let kept = 0
      for (const [at, { around }] of pieces.entries()) {
        const payload = payloads[at]!
        const piece = view(payload, around)
        const before = total(allocated)
        assembly.append(piece)
        arrived += payload.length
        assert.strictEqual(assembly.length, arrived)
        // What was not copied holds on to its chunk; what was copied no longer depends on it.
        const isSmallPart = payload.length < 4096 || payload.length * 4 < piece.buffer.byteLength
        if (isSmallPart) new Uint8Array(piece.buffer).fill(0)
        else {
          assert.strictEqual(total(allocated), before, "a large piece is not copied")
          kept += piece.buffer.byteLength
        }
        assert.isAtMost(total(allocated) + kept, Math.max(64 * 1024, arrived * 4) + 64 * 1024)
      }
      const whole = assembly.take()
      assert.strictEqual(whole.byteLength, whole.buffer.byteLength)
      assert.isTrue(Buffer.from(whole).equals(concat(payloads)))
    },
    { timeout: 120_000, arbitrary: { runs, size: 12 } }
  )

  it("copies a payload of large pieces once, and frees the chunks that are its alone", () => {
    const { allocated, assembly } = measured()
    const alone = noise(10_000, 1)
    const shared = view(noise(10_000, 2), 100)
    assembly.append(alone)
    assembly.append(shared)
    assert.strictEqual(assembly.take().length, 20_000)
    assert.deepStrictEqual(allocated, [20_000])
    assert.strictEqual(alone.byteLength, 0)
    assert.strictEqual(shared.byteLength, 10_000)
  })

  it("gathers many small pieces in few buffers", () => {
    const { allocated, assembly } = measured()
    for (let at = 0; at < 100_000; at++) assembly.append(Uint8Array.of(at))
    assert.isAtMost(allocated.length, 8)
    assert.strictEqual(assembly.take().length, 100_000)
  })

  it("takes chunks that cannot be freed", () => {
    const { assembly } = measured()
    assembly.append(new Uint8Array(new SharedArrayBuffer(5000)).fill(7))
    assert.deepStrictEqual(assembly.take(), new Uint8Array(5000).fill(7))
  })

  it("is empty when nothing was appended", () => {
    const { assembly } = measured()
    assembly.append(new Uint8Array(0))
    assert.strictEqual(assembly.take().length, 0)
  })
})
