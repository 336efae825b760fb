import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { PayloadBuffer } from "../src/internal/PayloadBuffer.ts"
import { runs } from "./fixtures/ends.ts"
import { concat, noise } from "./fixtures/wire.ts"

// A buffer that tells what it allocates.
const measured = (): { readonly buffer: PayloadBuffer; readonly allocated: Array<number> } => {
  const allocated: Array<number> = []
  const buffer = new PayloadBuffer((size) => {
    allocated.push(size)
    return new Uint8Array(size)
  })
  return { buffer, allocated }
}

const total = (sizes: ReadonlyArray<number>): number => sizes.reduce((sum, size) => sum + size, 0)

// A piece as it comes: a view into a chunk that may hold more.
const view = (payload: Uint8Array, around: number): Uint8Array => {
  const chunk = new Uint8Array(payload.length + around)
  chunk.set(payload, around >> 1)
  return chunk.subarray(around >> 1, (around >> 1) + payload.length)
}

describe("PayloadBuffer", () => {
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
      const { allocated, buffer } = measured()
      const payloads = pieces.map(({ size }, at) => noise(size, at))
      let arrived = 0
      let kept = 0
      for (const [at, { around }] of pieces.entries()) {
        const payload = payloads[at]!
        const piece = view(payload, around)
        const before = total(allocated)
        buffer.append(piece)
        arrived += payload.length
        assert.strictEqual(buffer.length, arrived)
        // What was not copied holds on to its chunk; what was copied no longer depends on it.
        const isSmallPart = payload.length < 4096 || payload.length * 4 < piece.buffer.byteLength
        if (isSmallPart) new Uint8Array(piece.buffer).fill(0)
        else {
          assert.strictEqual(total(allocated), before, "a large piece is not copied")
          kept += piece.buffer.byteLength
        }
        assert.isAtMost(total(allocated) + kept, Math.max(64 * 1024, arrived * 4) + 64 * 1024)
      }
      const whole = buffer.take()
      assert.strictEqual(whole.byteLength, whole.buffer.byteLength)
      assert.isTrue(Buffer.from(whole).equals(concat(payloads)))
    },
    { timeout: 120_000, arbitrary: { runs, size: 12 } }
  )

  it("copies a payload of large pieces once, and frees the chunks that are its alone", () => {
    const { allocated, buffer } = measured()
    const alone = noise(10_000, 1)
    const shared = view(noise(10_000, 2), 100)
    buffer.append(alone)
    buffer.append(shared)
    assert.strictEqual(buffer.take().length, 20_000)
    assert.deepStrictEqual(allocated, [20_000])
    assert.strictEqual(alone.byteLength, 0)
    assert.strictEqual(shared.byteLength, 10_000)
  })

  it.prop(
    "copies pieces to their final place when little is missing, and holds little more than has arrived",
    {
      pieces: Arbitrary.array(
        Arbitrary.all({
          size: Arbitrary.schema(Schema.Literals([0, 1, 7, 256, 512, 4096, 16_384, 100_000])),
          around: Arbitrary.schema(Schema.Literals([0, 0, 4, 60_000])),
          isAnnounced: Arbitrary.schema(Schema.Boolean)
        }),
        { maxLength: 12 }
      ),
      // An extension may make a payload shorter or longer than its frame announced.
      error: Arbitrary.schema(Schema.Literals([0, 0, 0, -1, 1, 5000]))
    },
    ({ error, pieces }) => {
      const { allocated, buffer } = measured()
      const payloads = pieces.map(({ size }, at) => noise(size, at))
      const expected = concat(payloads)
      let arrived = 0
      for (const [at, { around, isAnnounced }] of pieces.entries()) {
        const payload = payloads[at]!
        const piece = view(payload, around)
        arrived += payload.length
        const following = Math.max(0, expected.length - arrived + error)
        buffer.append(piece, isAnnounced ? following : 0)
        assert.strictEqual(buffer.length, arrived)
        assert.isAtLeast(buffer.heldBytes, arrived)
        assert.isAtMost(buffer.heldBytes, Math.min((arrived * 9) / 8, arrived + 16 * 1024))
        if (isAnnounced && payload.length > 0 && following > 0 && following <= Math.min(arrived / 8, 16 * 1024)) {
          assert.isFalse(buffer.keepsInput, "its chunks may be freed")
          new Uint8Array(piece.buffer).fill(0)
        }
      }
      const whole = buffer.take()
      assert.strictEqual(whole.byteLength, whole.buffer.byteLength)
      assert.isTrue(Buffer.from(whole).equals(expected))
      assert.isAtMost(total(allocated), expected.length * 8 + 64 * 1024)
    },
    { timeout: 120_000, arbitrary: { runs, size: 12 } }
  )

  it("allocates once for a payload in two TLS records", () => {
    const { allocated, buffer } = measured()
    const slab = new Uint8Array(64 * 1024)
    buffer.append(slab.subarray(8, 16_384), 8)
    buffer.append(slab.subarray(16_384, 16_392), 0)
    assert.strictEqual(buffer.take().length, 16_384)
    assert.deepStrictEqual(allocated, [16_384])
  })

  it("gathers many small pieces in few buffers", () => {
    const { allocated, buffer } = measured()
    for (let at = 0; at < 100_000; at++) buffer.append(Uint8Array.of(at))
    assert.isAtMost(allocated.length, 8)
    assert.strictEqual(buffer.take().length, 100_000)
  })

  it("takes chunks that cannot be freed", () => {
    const { buffer } = measured()
    buffer.append(new Uint8Array(new SharedArrayBuffer(5000)).fill(7))
    assert.deepStrictEqual(buffer.take(), new Uint8Array(5000).fill(7))
  })

  it("is empty when nothing was appended", () => {
    const { buffer } = measured()
    buffer.append(new Uint8Array(0))
    assert.strictEqual(buffer.take().length, 0)
  })
})
