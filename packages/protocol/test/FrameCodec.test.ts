import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestSchema } from "effect/testing"
import * as Frame from "../src/Frame.ts"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import * as FrameCodec from "../src/FrameCodec.ts"
import type { ProtocolViolation } from "../src/ProtocolViolation.ts"
import { goldens } from "./fixtures/goldens.ts"
import { concat, hex, noise, split, toHex, write } from "./fixtures/wire.ts"

const decodeOne = Schema.decodeUnknownResult(FrameCodec.FrameFromBytes)
const decodeMany = Schema.decodeUnknownResult(FrameCodec.FramesFromBytes)

const messageOf = (result: Result.Result<unknown, Schema.SchemaError>): string =>
  Result.isFailure(result) ? result.failure.message : "no failure"

interface Collected {
  readonly frames: Array<Frame.Frame>
  readonly error: ProtocolViolation | FrameCodec.IncompleteFrame | undefined
}

const collect = (
  chunks: ReadonlyArray<Uint8Array>,
  options?: { readonly maxFrameSize?: number }
): Effect.Effect<Collected> => {
  const frames: Array<Frame.Frame> = []
  return Stream.fromIterable(chunks).pipe(
    Stream.pipeThroughChannel(FrameCodec.decode(options)),
    Stream.runForEach((frame) => Effect.sync(() => frames.push(frame))),
    Effect.match({
      onSuccess: (): Collected => ({ frames, error: undefined }),
      onFailure: (error): Collected => ({ frames, error })
    })
  )
}

describe("FrameFromBytes", () => {
  it.effect("round-trips generated frames, of either role and by the schema alone", () =>
    Effect.gen(function* () {
      yield* new TestSchema.Asserts(FrameCodec.FrameFromBytes).verifyRoundTripEffect({ runs: 1000 })
      yield* new TestSchema.Asserts(FrameCodec.FramesFromBytes).verifyRoundTripEffect({ runs: 1000 })
    })
  )

  it("takes the examples of RFC 6455 5.7, both ways", () => {
    for (const { bytes, frames, title } of goldens) {
      const decoded = Result.getOrThrow(decodeMany(hex(bytes)))
      assert.deepStrictEqual(decoded, frames, title)
      assert.strictEqual(toHex(Schema.encodeSync(FrameCodec.FramesFromBytes)(frames)), toHex(hex(bytes)))
      if (frames.length === 1) {
        assert.deepStrictEqual(Result.getOrThrow(decodeOne(hex(bytes))), frames[0])
        assert.strictEqual(toHex(Schema.encodeSync(FrameCodec.FrameFromBytes)(frames[0]!)), toHex(hex(bytes)))
      }
    }
  })

  it("leaves its input as it is", () => {
    const bytes = write({ opcode: 1, payload: "Hello", key: [1, 2, 3, 4] })
    const before = toHex(bytes)
    assert.isTrue(Result.isSuccess(decodeOne(bytes)))
    assert.strictEqual(toHex(bytes), before)
  })

  it("says what is wrong", () => {
    assert.match(messageOf(decodeOne(hex(""))), /exactly one frame was expected, there are 0/)
    assert.match(messageOf(decodeOne(hex("81"))), /middle of a frame's header/)
    assert.match(messageOf(decodeOne(hex("81 05 48"))), /4 bytes of its payload are missing/)
    assert.match(messageOf(decodeOne(hex("82 7f 7f ff ff ff ff ff ff ff"))), /bytes of its payload are missing/)
    assert.match(messageOf(decodeOne(hex("81 00 81 00"))), /exactly one frame was expected, there are 2/)
    assert.match(messageOf(decodeOne(hex("81 00 81"))), /middle of a frame's header/)
    assert.match(messageOf(decodeOne(hex("81 7e 00 01 00"))), /shortest form \(RFC 6455 5\.2\)/)
    assert.match(messageOf(decodeMany(hex("81 00 81 7e 00 01 00"))), /shortest form/)
    assert.match(messageOf(decodeMany(hex("81 00 81 05"))), /5 bytes of its payload are missing/)
    assert.deepStrictEqual(decodeMany(hex("")), Result.succeed([]))
  })

  it("does not encode what is no frame", () => {
    const encode = Schema.encodeUnknownResult(FrameCodec.FrameFromBytes)
    assert.isTrue(Result.isFailure(encode(Frame.make(16))))
    assert.isTrue(Result.isFailure(encode(Frame.text("", { maskingKey: hex("01") }))))
  })
})

describe("FrameCodec.decode", () => {
  it.effect.prop(
    "gives the same frames as the codec, whatever the chunks",
    {
      frames: Arbitrary.array(FrameGenerators.frame("client"), { maxLength: 5 }),
      cuts: Arbitrary.array(Arbitrary.schema(Schema.Natural), { maxLength: 8 })
    },
    ({ cuts, frames }) =>
      Effect.gen(function* () {
        const encoded = yield* Stream.fromIterable(frames).pipe(
          Stream.pipeThroughChannel(FrameCodec.encode()),
          Stream.runCollect
        )
        const bytes = concat(encoded)
        const { error, frames: decoded } = yield* collect(split(bytes, cuts))
        assert.isUndefined(error)
        assert.deepStrictEqual(decoded.map(Frame.render), frames.map(Frame.render))
        assert.deepStrictEqual(
          decoded.map(({ payload }) => toHex(payload)),
          Result.getOrThrow(decodeMany(bytes)).map(({ payload }) => toHex(payload))
        )
      }),
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )

  it.effect("emits the frames before a violation, then fails with it", () =>
    Effect.gen(function* () {
      const bytes = concat([write({ opcode: 1, payload: "ok" }), hex("82 7e 00 01 00")])
      for (const chunks of [[bytes], split(bytes, [3, 5, 6, 7]), Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
        const { error, frames } = yield* collect(chunks)
        assert.deepStrictEqual(frames.map(Frame.render), ['TEXT fin "ok" [2 bytes]'])
        assert.isTrue(error?._tag === "ProtocolViolation" && error.rule === "NonMinimalLength")
      }
    })
  )

  it.effect("fails where the input ends in the middle of a frame", () =>
    Effect.gen(function* () {
      const bytes = write({ opcode: 2, payload: noise(10, 1) })
      const inHeader = yield* collect([bytes.slice(), bytes.slice(0, 1)])
      assert.strictEqual(inHeader.frames.length, 1)
      assert.isTrue(inHeader.error?._tag === "IncompleteFrame" && inHeader.error.missing === undefined)
      const inPayload = yield* collect([bytes.slice(0, 5)])
      assert.isTrue(inPayload.error?._tag === "IncompleteFrame" && inPayload.error.missing === 7)
    })
  )

  it.effect("bounds a frame", () =>
    Effect.gen(function* () {
      const { error } = yield* collect([write({ opcode: 2, payload: noise(11, 1) })], { maxFrameSize: 10 })
      assert.isTrue(error?._tag === "ProtocolViolation" && error.rule === "FrameTooBig")
    })
  )

  it.effect("encodes a batch as one chunk", () =>
    Effect.gen(function* () {
      const chunks = yield* Stream.fromArray([Frame.text("a"), Frame.ping("b")]).pipe(
        Stream.pipeThroughChannel(FrameCodec.encode()),
        Stream.runCollect
      )
      assert.deepStrictEqual(chunks.map(toHex), ["81 01 61 89 01 62"])
    })
  )
})
