import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as FrameWriter from "../src/FrameWriter.ts"
import * as Mask from "../src/Mask.ts"
import { SlabPool } from "../src/Slab.ts"
import { runs } from "./fixtures/ends.ts"
import { goldens } from "./fixtures/goldens.ts"
import { concat, hex, line, noise, read, toHex, utf8, write } from "./fixtures/wire.ts"

const keyBytes = [0x37, 0xfa, 0x21, 0x3d]
const key = Mask.keyFromBytes(Uint8Array.from(keyBytes))

const makeWriter = (pool = new SlabPool()): FrameWriter.FrameWriter => new FrameWriter.FrameWriter(pool)

const taken = (writer: FrameWriter.FrameWriter): Uint8Array => concat(writer.take())

const same = (actual: Uint8Array, expected: Uint8Array, what: string): void => {
  assert.strictEqual(actual.length, expected.length, what)
  assert.isTrue(Buffer.from(actual).equals(expected), what)
}

describe("FrameWriter", () => {
  it("writes the examples of RFC 6455 5.7", () => {
    for (const { bytes, frames, title } of goldens) {
      const writer = makeWriter()
      for (const frame of frames) {
        const key = frame.maskingKey === undefined ? undefined : Mask.keyFromBytes(frame.maskingKey)
        writer.writeBytes(FrameWriter.firstByte(frame), frame.payload, key)
      }
      const expected = hex(bytes)
      assert.strictEqual(writer.pendingBytes, expected.length)
      same(taken(writer), expected, title)
      assert.strictEqual(writer.pendingBytes, 0)
      same(concat(frames.map(FrameWriter.encode)), expected, title)
    }
  })

  for (const length of [0, 1, 125, 126, 127, 16_383, 16_384, 16_385, 65_535, 65_536]) {
    it(`writes payloads of ${length} bytes, masked and not, and leaves the caller's bytes alone`, () => {
      for (const payload of [noise(length, 5), Buffer.from(noise(length, 5))]) {
        for (const masked of [false, true]) {
          const writer = makeWriter()
          writer.writeBytes(0x82, payload, masked ? key : undefined)
          const expected = write({ opcode: 2, payload: noise(length, 5), key: masked ? keyBytes : undefined })
          same(taken(writer), expected, `masked: ${masked}`)
          same(payload, noise(length, 5), "untouched")
        }
      }
    })
  }

  it("counts each frame once, by its first byte, whichever way it is written", () => {
    for (const masked of [undefined, key]) {
      for (const length of [0, 10, 16_384, 16_385, 100_000]) {
        const counted: Array<number> = []
        const writer = new FrameWriter.FrameWriter(new SlabPool(), { onFrame: (first) => counted.push(first) })
        writer.writeBytes(0x02, noise(length, 1), masked)
        writer.writeText(0x81, "a".repeat(length), masked)
        writer.writeText(0x01, "ä".repeat(length), masked)
        writer.writeEncoded(write({ opcode: 9, payload: noise(length, 1) }))
        assert.deepStrictEqual(counted, [0x02, 0x81, 0x01, 0x89])
      }
    }
  })

  it("writes the header of a payload beyond 4 GiB", () => {
    // No such payload is made: writing a reference reads nothing of it but its length.
    const writer = makeWriter()
    const payload = Object.create(Uint8Array.prototype, { length: { value: 2 ** 33 + 5 } }) as Uint8Array
    writer.writeBytes(0x82, payload, undefined)
    const [header, reference] = writer.take()
    assert.strictEqual(toHex(header!), "82 7f 00 00 00 02 00 00 00 05")
    assert.strictEqual(reference, payload)
  })

  it("hands on a payload above 16 KiB by reference, in its place", () => {
    const writer = makeWriter()
    const large = noise(16_385, 1)
    writer.writeBytes(0x82, noise(10, 1), undefined)
    writer.writeBytes(0x82, large, undefined)
    writer.writeBytes(0x89, noise(3, 3), undefined)
    const chunks = writer.take()
    assert.strictEqual(chunks.length, 3)
    assert.strictEqual(chunks[1], large)
    assert.deepStrictEqual(
      read(concat(chunks)).map(({ payload }) => payload.length),
      [10, 16_385, 3]
    )
  })

  it("gathers small frames into one chunk", () => {
    const writer = makeWriter()
    for (let at = 0; at < 1000; at++) writer.writeText(0x81, `message ${at}`, undefined)
    const chunks = writer.take()
    assert.strictEqual(chunks.length, 1)
    assert.strictEqual(read(chunks[0]!).length, 1000)
  })

  const characters = ["a", "é", "水", "😀", "\ud83d", "\udc00"]
  const bounds = [
    0, 1, 8, 12, 23, 24, 25, 41, 42, 62, 63, 124, 125, 126, 127, 128, 5460, 5461, 5462, 8192, 16_384, 21_845, 32_768,
    65_535, 65_536
  ]

  for (const character of characters) {
    it(`writes text of ${JSON.stringify(character)} around every boundary like Buffer does`, () => {
      for (const bound of bounds) {
        for (const prefix of ["", "x", "xyz"]) {
          const text = prefix + character.repeat(bound)
          for (const masked of [false, true]) {
            const writer = makeWriter()
            writer.writeText(0x81, "before", undefined)
            writer.writeText(0x81, text, masked ? key : undefined)
            writer.writeText(0x81, "after", undefined)
            const expected = concat([
              write({ opcode: 1, payload: "before" }),
              write({ opcode: 1, payload: utf8(text), key: masked ? keyBytes : undefined }),
              write({ opcode: 1, payload: "after" })
            ])
            assert.strictEqual(writer.pendingBytes, expected.length)
            same(taken(writer), expected, `${bound} after ${JSON.stringify(prefix)}`)
          }
        }
      }
    })
  }

  it.prop(
    "writes any text like Buffer does, lone surrogates as U+FFFD",
    {
      text: Schema.String,
      times: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
      masked: Schema.Boolean
    },
    ({ masked, text, times }) => {
      const writer = makeWriter()
      writer.writeText(0x81, text.repeat(times), masked ? key : undefined)
      same(
        taken(writer),
        write({ opcode: 1, payload: utf8(text.repeat(times)), key: masked ? keyBytes : undefined }),
        JSON.stringify(text)
      )
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )
})

// What a program with several connections does to a pool, as data.
const step = Arbitrary.all({
  writer: Arbitrary.schema(Schema.Literals([0, 1, 2])),
  action: Arbitrary.schema(Schema.Literals(["write", "text", "exchange", "exchange", "send", "delivered"])),
  size: Arbitrary.schema(Schema.Literals([0, 1, 10, 100, 130, 500, 3000, 9000, 16_384, 17_000])),
  masked: Arbitrary.schema(Schema.Boolean)
})

describe("SlabPool", () => {
  it.prop(
    "connections that share a pool never see their bytes change before their transport is done with them",
    {
      steps: Arbitrary.array(step, { minLength: 1, maxLength: 60 }),
      slabSize: Arbitrary.schema(Schema.Literals([6000, 20_000, 65_536])),
      maxFree: Arbitrary.schema(Schema.Literals([0, 1, 16]))
    },
    ({ maxFree, slabSize, steps }) => {
      const pool = new SlabPool({ slabSize, maxFree })
      const ends = [0, 1, 2].map(() => ({
        writer: makeWriter(pool),
        written: [] as Array<Uint8Array>,
        // What the transport holds and has not sent: the chunks, and what they said when it got them.
        held: [] as Array<{ readonly chunk: Uint8Array; readonly copy: Uint8Array }>
      }))
      for (const [at, { action, masked, size, writer }] of steps.entries()) {
        const end = ends[writer]!
        const used = masked ? keyBytes : undefined
        if (action === "text") {
          end.writer.writeText(0x81, "é".repeat(size), used && key)
          end.written.push(write({ opcode: 1, payload: "é".repeat(size), key: used }))
        } else if (action !== "send" && action !== "delivered") {
          end.writer.writeBytes(0x82, noise(size, at), used && key)
          end.written.push(write({ opcode: 2, payload: noise(size, at), key: used }))
        }
        if (action === "send" || action === "exchange") {
          const chunks = end.writer.take()
          same(concat(chunks), concat(end.written), "what was taken is what was written")
          end.written = []
          // Half of the transports take everything at once; as the connection does, only an empty one frees the slab.
          if (masked && end.held.length === 0) end.writer.release(true)
          else {
            for (const chunk of chunks) end.held.push({ chunk, copy: chunk.slice() })
            end.writer.release(false)
          }
        }
        if (action === "delivered") end.held = []
        for (const { held } of ends) {
          for (const { chunk, copy } of held) same(chunk, copy, `step ${at} changed bytes that are still to be sent`)
        }
      }
    },
    { timeout: 120_000, arbitrary: { runs, size: 60 } }
  )

  it("uses a slab again when its bytes are sent, and what is left of it when they are not", () => {
    let made = 0
    const pool = new SlabPool({
      allocate: (size) => {
        made++
        return new Uint8Array(size)
      }
    })
    const writer = makeWriter(pool)
    const send = (reusable: boolean): number => {
      writer.writeBytes(0x82, noise(1000, 1), undefined)
      const [chunk] = writer.take()
      writer.release(reusable)
      return chunk!.byteOffset
    }
    assert.deepStrictEqual([send(true), send(true), send(false), send(true), send(true)], [0, 0, 0, 1004, 1004])
    assert.strictEqual(made, 1)
  })

  it("keeps no more free slabs than it may", () => {
    const pool = new SlabPool({ maxFree: 1 })
    const [first, second] = [pool.acquire(1), pool.acquire(1)]
    pool.release(first, true)
    pool.release(second, true)
    assert.strictEqual(pool.acquire(1), first)
    assert.notStrictEqual(pool.acquire(1), second)
  })
})

describe("FrameWriter.encode", () => {
  it("sets the first byte from FIN, RSV bits and opcode", () => {
    for (let first = 0; first < 256; first++) {
      const frame = {
        fin: (first & 0x80) !== 0,
        rsv1: (first & 0x40) !== 0,
        rsv2: (first & 0x20) !== 0,
        rsv3: (first & 0x10) !== 0,
        opcode: first & 0x0f,
        payload: Uint8Array.of(1)
      }
      assert.strictEqual(FrameWriter.encode(frame)[0], first)
    }
    assert.strictEqual(line(read(hex("41 00"))[0]!), "TEXT+ r4")
  })
})
