import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as CloseCode from "../src/CloseCode.ts"
import * as CloseError from "../src/CloseError.ts"
import * as SessionSchema from "../src/SessionSchema.ts"

const registered = Object.entries(CloseCode.registered)
const observedOnly = [1005, 1006, 1015]

describe("CloseError", () => {
  it("has a type for each registered code", () => {
    for (const [name, code] of registered) {
      const error = CloseError.fromCode(code, "why")
      assert.strictEqual(error._tag, name)
      assert.strictEqual(error.code, code)
      assert.strictEqual(error.reason, "why")
      assert.strictEqual(error.message, `${code} ${name}: why`)
      assert.strictEqual(CloseError.fromCode(code).message, `${code} ${name}`)
      assert.isTrue(CloseError.isCloseError(error))
      assert.strictEqual(CloseError.isSendable(error), !observedOnly.includes(code))
      assert.strictEqual(CloseError.isSendable(error), CloseCode.isSendable(code))
    }
  })

  it("knows application codes, and answers codes that must not be sent with a protocol error", () => {
    assert.strictEqual(CloseError.fromCode(4321, "x").message, "4321 ApplicationClose: x")
    assert.strictEqual(CloseError.fromCode(3001).code, 3001)
    for (const code of [0, 999, 1004, 1016, 2999, 5000]) {
      assert.strictEqual(CloseError.fromCode(code).message, `1002 ProtocolError: close code ${code} may not be sent`)
    }
  })

  it("keeps reasons up to 123 bytes of UTF-8", () => {
    assert.strictEqual(new CloseError.NormalClosure({}).reason, "")
    const longest = "é".repeat(61) + "a"
    assert.strictEqual(new CloseError.NormalClosure({ reason: longest }).reason, longest)
    assert.strictEqual(new CloseError.NormalClosure().reason, "")
    assert.throws(() => new CloseError.ApplicationClose({ code: 2999 }), RangeError, /close code/)
    assert.throws(() => new CloseError.NormalClosure({ reason: 5 as never }), TypeError, /close reason/)
  })

  it("truncates a longer reason at a character, in every type and in every way to make one", () => {
    const cases: ReadonlyArray<readonly [long: string, short: string]> = [
      ["x".repeat(1000), "x".repeat(123)],
      ["é".repeat(62), "é".repeat(61)],
      ["水".repeat(50), "水".repeat(41)],
      ["a" + "👋".repeat(50), "a" + "👋".repeat(30)],
      // A lone surrogate takes three bytes, those of U+FFFD.
      ["\ud83d".repeat(42), "\ud83d".repeat(41)]
    ]
    const classes = registered.map(
      ([, code]) => CloseError.fromCode(code).constructor as typeof CloseError.NormalClosure
    )
    for (const [long, short] of cases) {
      for (const type of classes) {
        const error = new type({ reason: long })
        assert.strictEqual(error.reason, short)
        assert.isTrue(CloseError.isCloseError(error))
        assert.isTrue((error as unknown) instanceof type)
      }
      assert.strictEqual(new CloseError.ApplicationClose({ code: 4000, reason: long }).reason, short)
      for (const [, code] of [...registered, ["ApplicationClose", 4321] as const]) {
        const error = CloseError.fromCode(code, long)
        assert.deepStrictEqual([error.code, error.reason], [code, short])
        assert.strictEqual(CloseError.isSendable(error), CloseCode.isSendable(code))
      }
    }
  })

  it("recognizes its own classes and theirs, and nothing that looks like them", () => {
    class OwnClose extends CloseError.PolicyViolation {}
    const values: ReadonlyArray<unknown> = [
      ...registered.map(([, code]) => CloseError.fromCode(code, "why")),
      CloseError.fromCode(4321),
      new OwnClose({ reason: "no bots" }),
      new Error("no close"),
      { _tag: "PolicyViolation", code: 1008, reason: "no error" },
      Object.assign(new Error("no close"), { _tag: "PolicyViolation", code: 1008, reason: "" }),
      undefined,
      null,
      1008,
      "PolicyViolation"
    ]
    for (const value of values) {
      assert.strictEqual(CloseError.isCloseError(value), Schema.is(SessionSchema.CloseError)(value))
      assert.strictEqual(CloseError.isSendable(value), Schema.is(SessionSchema.SendableCloseError)(value))
    }
    assert.strictEqual(values.filter(CloseError.isCloseError).length, registered.length + 2)
  })

  it("has its own name, and a stack that begins where it was made", () => {
    const error = new CloseError.PolicyViolation({ reason: "no bots" })
    assert.strictEqual(error.name, "PolicyViolation")
    assert.match(String(error.stack), /CloseError\.test\.ts/)
  })

  it("calls 1000, 1001 and a close without code ordinary", () => {
    assert.deepStrictEqual(
      registered.map(([, code]) => code).filter((code) => CloseError.isNormalClose(CloseError.fromCode(code))),
      [1000, 1001, 1005]
    )
  })

  it.effect("is caught by its tag", () =>
    Effect.gen(function* () {
      const handled = yield* Effect.fail(CloseError.fromCode(1008, "no bots")).pipe(
        Effect.catchTag("PolicyViolation", (error) => Effect.succeed(error.reason))
      )
      assert.strictEqual(handled, "no bots")
    })
  )
})
