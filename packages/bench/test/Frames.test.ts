import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { EchoReader, encodeHeader, encodeMasked, type Kind, makePayload, repeat } from "../src/Frames.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const kinds: ReadonlyArray<Kind> = ["binary", "text"]
const lengths: ReadonlyArray<number> = [0, 1, 125, 126, 127, 65535, 65536]

const between = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

type End = "server" | "client"

const mask = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)

const echoOf = (from: End, kind: Kind, payload: Uint8Array): Uint8Array => {
  if (from === "client") return encodeMasked(kind, payload, mask)
  const header = encodeHeader(kind, payload.length)
  const frame = new Uint8Array(header.length + payload.length)
  frame.set(header)
  frame.set(payload, header.length)
  return frame
}

describe("encodeMasked", () => {
  it("encodes the masked Hello of RFC 6455 5.7", () => {
    const frame = encodeMasked("text", new TextEncoder().encode("Hello"), mask)
    assert.strictEqual(hex(frame), "818537fa213d7f9f4d5158")
  })

  it("encodes the shortest form of every length", () => {
    assert.deepStrictEqual(
      lengths.map((length) => hex(encodeHeader("binary", length))),
      ["8200", "8201", "827d", "827e007e", "827e007f", "827effff", "827f0000000000010000"]
    )
  })

  it("sets the mask bit and nothing else of the header", () => {
    for (const length of lengths) {
      const header = encodeHeader("text", length)
      const frame = encodeMasked("text", makePayload("text", length), new Uint8Array(4))
      header[1]! |= 0x80
      assert.strictEqual(hex(frame.subarray(0, header.length)), hex(header))
      assert.strictEqual(frame.length, header.length + 4 + length)
    }
  })
})

describe("makePayload", () => {
  it("makes text that is UTF-8", () => {
    assert.strictEqual(
      new TextDecoder("utf-8", { fatal: true }).decode(makePayload("text", 28)),
      "abcdefghijklmnopqrstuvwxyzab"
    )
  })
})

describe.each(["server", "client"] as const)("EchoReader of what a %s sends", (from) => {
  it("counts at every length", () => {
    for (const kind of kinds) {
      for (const length of lengths) {
        const payload = makePayload(kind, length)
        const bytes = repeat(echoOf(from, kind, payload), 3)
        assert.strictEqual(new EchoReader(from, kind, payload).read(bytes, bytes.length), 3)
      }
    }
  })

  it.prop(
    "counts the same whatever the chunks",
    {
      length: between(0, 300),
      frames: between(0, 20),
      cuts: Arbitrary.array(between(1, 97), { minLength: 1, maxLength: 20 })
    },
    ({ cuts, frames, length }) => {
      const payload = makePayload("binary", length)
      const bytes = repeat(echoOf(from, "binary", payload), frames)
      const reader = new EchoReader(from, "binary", payload)
      let completed = 0
      let start = 0
      for (let i = 0; start < bytes.length; i++) {
        const size = Math.min(cuts[i % cuts.length]!, bytes.length - start)
        completed += reader.read(bytes.subarray(start, start + size), size)
        start += size
        assert.strictEqual(completed, Math.floor(start / (bytes.length / frames)))
      }
      assert.strictEqual(completed, frames)
    },
    { arbitrary: { runs: 1000 } }
  )

  it("reads only as much of the chunk as it is told", () => {
    const payload = makePayload("binary", 10)
    const bytes = repeat(echoOf(from, "binary", payload), 4)
    assert.strictEqual(new EchoReader(from, "binary", payload).read(bytes, bytes.length / 2), 2)
  })

  it("throws at a wrong header, also in a later frame", () => {
    const payload = makePayload("binary", 10)
    for (const [frame, at, value] of [
      [0, 0, 0x81],
      [0, 1, from === "server" ? 0x8a : 10],
      [1, 0, 0x02],
      [1, 1, 11],
      [2, 0, 0x88]
    ] as const) {
      const one = echoOf(from, "binary", payload)
      const bytes = repeat(one, 3)
      bytes[frame * one.length + at] = value
      assert.throws(
        () => new EchoReader(from, "binary", payload).read(bytes, bytes.length),
        /of the header: expected 0x/
      )
    }
  })

  it("throws at a wrong payload in the first frame, whatever the chunks", () => {
    const payload = makePayload("binary", 10)
    const bytes = echoOf(from, "binary", payload)
    bytes[bytes.length - 1]! ^= 1
    const reader = new EchoReader(from, "binary", payload)
    reader.read(bytes, 7)
    assert.throws(() => reader.read(bytes.subarray(7), bytes.length - 7), /byte 9 of the payload/)
  })
})
