import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Frame from "../src/Frame.ts"
import * as FrameCodec from "../src/FrameCodec.ts"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import { concat, toHex, utf8 } from "./fixtures/wire.ts"

// The interface and the schema describe the same thing, in both directions.
const fromSchema = (frame: typeof FrameCodec.FrameSchema.Type): Frame.Frame => frame
const toSchema = (frame: Frame.Frame): typeof FrameCodec.FrameSchema.Type => frame

describe("Frame", () => {
  it("has a constructor for each opcode", () => {
    assert.deepStrictEqual(
      [
        Frame.continuation("a"),
        Frame.text("a"),
        Frame.binary(utf8("a")),
        Frame.close(),
        Frame.ping(),
        Frame.pong()
      ].map((frame) => frame.opcode),
      [0, 1, 2, 8, 9, 10]
    )
    assert.deepStrictEqual(Frame.text("é"), {
      fin: true,
      rsv1: false,
      rsv2: false,
      rsv3: false,
      opcode: 1,
      payload: Uint8Array.of(0xc3, 0xa9)
    })
  })

  it("takes every field by hand", () => {
    const frame = Frame.make(0xb, "", { fin: false, rsv1: true, rsv2: true, rsv3: true, maskingKey: utf8("1234") })
    assert.deepStrictEqual(frame, {
      fin: false,
      rsv1: true,
      rsv2: true,
      rsv3: true,
      opcode: 11,
      maskingKey: utf8("1234"),
      payload: new Uint8Array(0)
    })
  })

  it("agrees with its schema", () => {
    const is = Schema.is(FrameCodec.FrameSchema)
    assert.isTrue(is(toSchema(fromSchema(Frame.text("a", { maskingKey: utf8("1234") })))))
    assert.isFalse(is(Frame.text("a", { maskingKey: utf8("123") })))
    assert.isFalse(is(Frame.make(16)))
    assert.isFalse(is(Frame.make(-1)))
  })

  it("fragments by size: RSV bits on the first, FIN on the last, the key on all", () => {
    const frames = Frame.fragment(Frame.text("abcdefg", { rsv1: true, maskingKey: utf8("1234") }), 3)
    assert.deepStrictEqual(
      frames.map((frame) => Frame.render(frame)),
      [
        "TEXT more rsv1 61 62 63 [3 bytes, masked]",
        "CONTINUATION more 64 65 66 [3 bytes, masked]",
        "CONTINUATION fin 67 [1 byte, masked]"
      ]
    )
  })

  it("leaves control frames and frames that fit alone", () => {
    for (const frame of [Frame.ping("abc"), Frame.text(""), Frame.text("a"), Frame.close(utf8("abc"))]) {
      for (const size of [3, Infinity]) assert.deepStrictEqual(Frame.fragment(frame, size), [frame])
    }
    assert.deepStrictEqual(Frame.fragment(Frame.ping("abc"), 1), [Frame.ping("abc")])
  })

  it.prop(
    "fragments say the same as the whole",
    { frame: FrameGenerators.frame("server"), size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })) },
    ({ frame, size }) => {
      const frames = Frame.fragment(frame, size)
      assert.strictEqual(toHex(concat(frames.map(({ payload }) => payload))), toHex(frame.payload))
      assert.strictEqual(frames[0]!.opcode, frame.opcode)
      assert.strictEqual(frames.at(-1)!.fin, frame.fin)
      if (frame.opcode >= 8) assert.strictEqual(frames.length, 1)
      for (const [at, { fin, opcode, payload }] of frames.entries()) {
        if (frames.length > 1) assert.isAtMost(payload.length, size)
        if (at > 0) assert.strictEqual(opcode, 0)
        if (at < frames.length - 1) assert.isFalse(fin)
      }
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )

  it("renders one line", () => {
    assert.strictEqual(Frame.render(Frame.text("hello")), 'TEXT fin "hello" [5 bytes]')
    assert.strictEqual(Frame.render(Frame.text('a\n"\u001b', { fin: false })), 'TEXT more "a\\n\\"\\u001b" [4 bytes]')
    assert.strictEqual(
      Frame.render(Frame.ping(Uint8Array.of(1, 2), { maskingKey: utf8("1234") })),
      "PING fin 01 02 [2 bytes, masked]"
    )
    assert.strictEqual(Frame.render(Frame.binary(new Uint8Array(0))), "BINARY fin [0 bytes]")
    assert.strictEqual(Frame.render(Frame.text("a".repeat(31) + "é")), `TEXT fin "${"a".repeat(31)}"... [33 bytes]`)
    assert.strictEqual(Frame.render(Frame.text("\u0085\u2028\u009b")), 'TEXT fin "\\u0085\\u2028\\u009b" [7 bytes]')
    assert.strictEqual(
      Frame.render(Frame.make(1, Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc, 0xfb))),
      "TEXT fin ff fe fd fc fb [5 bytes]"
    )
  })

  it.prop(
    "renders any frame in one short line",
    { frame: FrameGenerators.frame("client"), more: Arbitrary.schema(Schema.Uint8Array) },
    ({ frame, more }) => {
      for (const one of [frame, { ...frame, payload: more, rsv2: true }]) {
        const line = Frame.render(one)
        assert.isAtMost(line.length, 300)
        assert.notMatch(line, /[\p{Cc}\u2028\u2029]/u)
      }
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )
})
