import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { TestSchema } from "effect/testing"
import * as Subprotocol from "../../src/handshake/Subprotocol.ts"
import { fastest } from "../fixtures/bytes.ts"

const parse = (value: string): unknown => Result.getOrElse(Subprotocol.parse(value), (error) => error.message)

describe("Subprotocol", () => {
  it.each([
    ["chat", ["chat"]],
    ["chat, superchat", ["chat", "superchat"]],
    [",\tchat ,, Chat,", ["chat", "Chat"]],
    ["v1.json,__proto__", ["v1.json", "__proto__"]]
  ])("parses %j", (value, names) => {
    assert.deepStrictEqual(parse(value), names)
  })

  it.each([
    ["", "character 0: expected at least one token, found none"],
    [" ,, ", "character 4: expected at least one token, found none"],
    ["a, b c", 'character 3: expected a token, found "b c"'],
    ["a,b/c", 'character 2: expected a token, found "b/c"'],
    ['"a"', 'character 0: expected a token, found "\\"a\\""'],
    ["a,\u00e9", 'character 2: expected a token, found "\u00e9"'],
    ["a, b, a", 'character 6: expected distinct subprotocols, found "a" again']
  ])("refuses %j", (value, message) => {
    assert.strictEqual(parse(value), `malformed Sec-WebSocket-Protocol at ${message}`)
  })

  it("selects by the order of the first list", () => {
    assert.strictEqual(Subprotocol.select(["b", "a"], ["a", "b", "c"]), "b")
    assert.strictEqual(Subprotocol.select(["A"], ["a"]), undefined)
    assert.strictEqual(Subprotocol.select([], ["a"]), undefined)
    assert.strictEqual(Subprotocol.select(["a"], []), undefined)
  })

  it.effect("SubprotocolsFromString survives a round trip", () =>
    new TestSchema.Asserts(Subprotocol.SubprotocolsFromString).verifyRoundTripEffect({ runs: 1000 })
  )

  it("the schema wants distinct tokens, at least one", () => {
    const is = Schema.is(Subprotocol.Subprotocols)
    assert.isTrue(is(["a", "b"]))
    for (const names of [[], ["a", "a"], ["a b"], [""]]) assert.isFalse(is(names))
  })

  it.each([" ", "\t", ",", ";", '"', "\\", ",a", "a,"])(
    "32 000 characters of %j cost no more than letters",
    (filler) => {
      const cost = (text: string): number => {
        const long = text.repeat(32_000 / text.length)
        return fastest(() => {
          for (const value of [long, `a${long}`, `a,${long}b`, `${long}@`]) Subprotocol.parse(value)
        })
      }
      assert.isBelow(cost(filler), 50 * cost("a") + 5)
    }
  )

  it("many distinct names cost no more than their length", () => {
    const cost = (count: number): number => {
      const value = Array.from({ length: count }, (_, index) => `p${index}`).join(",")
      return fastest(() => Subprotocol.parse(value))
    }
    // quadratic work would take 64 times as long for 8 times the names
    assert.isBelow(cost(16_000), 32 * cost(2_000) + 2)
  })
})
