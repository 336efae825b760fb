import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { TestSchema } from "effect/testing"
import * as CloseCode from "../src/CloseCode.ts"
import * as CloseFrame from "../src/CloseFrame.ts"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import * as SessionSchema from "../src/SessionSchema.ts"
import { concat, hex, toHex, utf8 } from "./fixtures/wire.ts"

const ruleOf = (payload: Uint8Array): string => {
  const decoded = CloseFrame.decode(payload)
  return Result.isFailure(decoded) ? decoded.failure.rule : "none"
}

const payload = (code: number, reason = ""): Uint8Array => concat([Uint8Array.of(code >> 8, code & 0xff), utf8(reason)])

describe("CloseFrame", () => {
  it("is empty, or a code and a reason", () => {
    assert.strictEqual(toHex(CloseFrame.encode()), "")
    assert.strictEqual(toHex(CloseFrame.encode(1000)), "03 e8")
    assert.strictEqual(toHex(CloseFrame.encode(4999, "é")), "13 87 c3 a9")
    assert.deepStrictEqual(CloseFrame.decode(hex("")), Result.succeed({ reason: "" }))
    assert.deepStrictEqual(CloseFrame.decode(hex("03e8")), Result.succeed({ code: 1000, reason: "" }))
    assert.deepStrictEqual(CloseFrame.decode(hex("1387c3a9")), Result.succeed({ code: 4999, reason: "é" }))
    assert.deepStrictEqual(CloseFrame.decode(hex("03e8efbbbf")), Result.succeed({ code: 1000, reason: "\uFEFF" }))
  })

  it("refuses one byte, codes that may not be sent, and reasons that are not UTF-8", () => {
    assert.strictEqual(ruleOf(hex("03")), "TruncatedCloseCode")
    assert.strictEqual(ruleOf(hex("03e8ff")), "InvalidCloseReason")
    assert.strictEqual(ruleOf(hex("03e8c3")), "InvalidCloseReason")
    for (let code = 0; code < 65536; code++) {
      assert.strictEqual(ruleOf(payload(code)), CloseCode.isSendable(code) ? "none" : "InvalidCloseCode", String(code))
    }
  })

  it("answers with 1002 and 1007", () => {
    const codeOf = (payload: Uint8Array): number | undefined => {
      const decoded = CloseFrame.decode(payload)
      return Result.isFailure(decoded) ? decoded.failure.closeCode : undefined
    }
    assert.deepStrictEqual(
      [hex("03"), payload(999), payload(1005), hex("03e8ff")].map(codeOf),
      [1002, 1002, 1002, 1007]
    )
  })

  it.prop(
    "decodes what it encodes",
    { close: FrameGenerators.closeFrame },
    ({ close }) => {
      assert.deepStrictEqual(CloseFrame.decode(CloseFrame.encode(close.code, close.reason)), Result.succeed(close))
    },
    { timeout: 120_000, arbitrary: { runs: 1000 } }
  )

  it.effect("has a codec that says what is wrong", () =>
    Effect.gen(function* () {
      const asserts = new TestSchema.Asserts(SessionSchema.CloseFrameFromBytes)
      yield* asserts.verifyRoundTripEffect({ runs: 1000 })
      const decode = Schema.decodeUnknownResult(SessionSchema.CloseFrameFromBytes)
      const encode = Schema.encodeUnknownResult(SessionSchema.CloseFrameFromBytes)
      assert.match(String(Result.getOrThrow(Result.flip(decode(hex("03"))))), /one byte: a close frame's payload/)
      assert.match(String(Result.getOrThrow(Result.flip(decode(payload(1005))))), /close code 1005/)
      assert.isTrue(Result.isFailure(encode({ code: 999, reason: "" })), "a code is not dropped in silence")
      assert.isTrue(Result.isFailure(encode({ code: 1000, reason: "a".repeat(124) })))
      assert.isTrue(Result.isFailure(encode({ reason: "why" })))
      assert.deepStrictEqual(encode({ reason: "" }), Result.succeed(new Uint8Array(0)))
    })
  )
})
