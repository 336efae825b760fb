import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Frame } from "../src/Frame.ts"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import { encodeAll } from "../src/FrameCodec.ts"
import { FrameParser } from "../src/FrameParser.ts"
import type { ProtocolViolation } from "../src/ProtocolViolation.ts"
import { goldens } from "./fixtures/goldens.ts"
import { concat, hex, noise, read, split, toHex, write } from "./fixtures/wire.ts"

interface Outcome {
  readonly frames: ReadonlyArray<Frame>
  readonly violation: ProtocolViolation | undefined
  readonly parser: FrameParser
}

const parse = (chunks: ReadonlyArray<Uint8Array>, maxFrameSize?: number): Outcome => {
  const parser = new FrameParser({ maxFrameSize })
  const frames: Array<Frame> = []
  for (const chunk of [...chunks, new Uint8Array(0)]) {
    const pushed = parser.push(chunk)
    if (Result.isFailure(pushed)) return { frames, violation: pushed.failure, parser }
    frames.push(...pushed.success)
  }
  return { frames, violation: undefined, parser }
}

const bytewise = (bytes: Uint8Array): Array<Uint8Array> => Array.from(bytes, (byte) => Uint8Array.of(byte))

const describeFrame = ({ fin, maskingKey, opcode, payload, rsv1, rsv2, rsv3 }: Frame): string =>
  [fin, rsv1, rsv2, rsv3, opcode, maskingKey === undefined ? "-" : toHex(maskingKey), toHex(payload)].join(" ")

const sizes = [0, 1, 125, 126, 127, 65_535, 65_536]

describe("FrameParser", () => {
  it("reads the examples of RFC 6455 5.7, whole and byte by byte", () => {
    for (const { bytes, frames, title } of goldens) {
      for (const chunks of [[hex(bytes)], bytewise(hex(bytes))]) {
        const outcome = parse(chunks)
        assert.isUndefined(outcome.violation, title)
        assert.deepStrictEqual(outcome.frames.map(describeFrame), frames.map(describeFrame), title)
        assert.isTrue(outcome.parser.isIdle)
      }
    }
  })

  for (const length of sizes) {
    it(`reads payloads of ${length} bytes, masked and not, in any alignment and in pieces`, () => {
      const payload = noise(length, length)
      for (const key of [undefined, [0x37, 0xfa, 0x21, 0x3d], [0, 0, 0, 0], [0, 0, 0, 1]]) {
        const bytes = write({ opcode: 2, payload, key })
        for (const cuts of [[], [1], [2], [3, 9], [bytes.length - 1], [7, 8, 20, 300, 1000]]) {
          const { frames, violation } = parse(split(bytes, cuts))
          assert.isUndefined(violation)
          assert.strictEqual(frames.length, 1)
          assert.isTrue(Buffer.from(frames[0]!.payload).equals(payload))
          assert.deepStrictEqual(
            frames[0]!.maskingKey === undefined ? undefined : Array.from(frames[0]!.maskingKey),
            key
          )
        }
      }
    })
  }

  it("returns plain bytes for a Buffer, so that `slice` copies them", () => {
    const chunk = Buffer.from(write({ opcode: 2, payload: noise(20, 1) }))
    const { payload } = parse([chunk]).frames[0]!
    assert.strictEqual(payload.constructor, Uint8Array)
    const copy = payload.slice()
    chunk.fill(0)
    assert.deepStrictEqual(copy, new Uint8Array(noise(20, 1)))
  })

  it("reads every opcode and every combination of FIN and RSV bits", () => {
    for (let first = 0; first < 256; first++) {
      const { frames } = parse([Uint8Array.of(first, 0)])
      const [frame] = frames
      const rsv = (frame!.rsv1 ? 4 : 0) + (frame!.rsv2 ? 2 : 0) + (frame!.rsv3 ? 1 : 0)
      assert.strictEqual((frame!.fin ? 128 : 0) + rsv * 16 + frame!.opcode, first)
    }
  })

  it("refuses lengths that are not in their shortest form, and a 64-bit length with its top bit set", () => {
    const ruleOf = (text: string): ReadonlyArray<string | undefined> => [
      parse([hex(text)]).violation?.rule,
      parse(bytewise(hex(text))).violation?.rule
    ]
    for (const bytes of ["82 7e 00 7d", "82 7e 00 00", "82 fe 00 05 00 00 00 00", "82 7f 00 00 00 00 00 00 ff ff"]) {
      assert.deepStrictEqual(ruleOf(bytes), ["NonMinimalLength", "NonMinimalLength"], bytes)
    }
    for (const bytes of ["82 7f 80 00 00 00 00 00 00 00", "82 7f ff ff ff ff ff ff ff ff"]) {
      assert.deepStrictEqual(ruleOf(bytes), ["LengthTopBitSet", "LengthTopBitSet"], bytes)
    }
    assert.deepStrictEqual(ruleOf("82 7e 00 7e"), [undefined, undefined])
    assert.deepStrictEqual(ruleOf("82 7f 00 00 00 00 00 01 00 00"), [undefined, undefined])
  })

  it("refuses a frame that announces more than the limit before its payload arrives", () => {
    const huge = hex("82 7f 7f ff ff ff ff ff ff ff")
    assert.strictEqual(parse([huge]).violation?.rule, "FrameTooBig")
    assert.strictEqual(
      parse([write({ opcode: 2, payload: noise(11, 1) }).subarray(0, 2)], 10).violation?.rule,
      "FrameTooBig"
    )
    assert.isUndefined(parse([write({ opcode: 2, payload: noise(10, 1) })], 10).violation)
  })

  it("gives the frames before a violation, then the violation for ever", () => {
    const parser = new FrameParser()
    const good = write({ opcode: 1, payload: "ok" })
    const first = parser.push(concat([good, hex("82 7e 00 01"), good]))
    assert.isTrue(Result.isSuccess(first) && first.success.length === 1)
    for (const chunk of [new Uint8Array(0), good]) {
      const next = parser.push(chunk)
      assert.isTrue(Result.isFailure(next) && next.failure.rule === "NonMinimalLength")
    }
  })

  it("does not copy a payload that lies within one chunk", () => {
    const chunk = write({ opcode: 2, payload: noise(5000, 1), key: [1, 2, 3, 4] })
    const [frame] = parse([chunk]).frames
    assert.strictEqual(frame!.payload.buffer, chunk.buffer)
  })

  it("knows whether it stands between frames", () => {
    const bytes = write({ opcode: 2, payload: noise(300, 2), key: [1, 2, 3, 4] })
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { parser } = parse([bytes.slice(0, cut)])
      assert.strictEqual(parser.isIdle, cut === 0 || cut === bytes.length, String(cut))
      assert.strictEqual(parser.remaining, cut < 8 ? 0 : bytes.length - cut)
    }
  })

  it.prop(
    "any split gives the same frames as a second parser finds",
    {
      frames: Arbitrary.array(FrameGenerators.frame("client"), { minLength: 1, maxLength: 5 }),
      others: Arbitrary.array(FrameGenerators.frame("server"), { maxLength: 3 }),
      cuts: Arbitrary.array(Arbitrary.schema(Schema.Natural), { maxLength: 12 })
    },
    ({ cuts, frames, others }) => {
      const all = [...frames, ...others]
      const bytes = encodeAll(all)
      const outcome = parse(split(bytes, cuts))
      assert.isUndefined(outcome.violation)
      assert.deepStrictEqual(outcome.frames.map(describeFrame), all.map(describeFrame))
      assert.deepStrictEqual(
        outcome.frames.map(({ payload }) => toHex(payload)),
        read(bytes).map(({ payload }) => toHex(payload))
      )
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )
})
