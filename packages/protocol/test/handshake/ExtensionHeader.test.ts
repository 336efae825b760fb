import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { TestSchema } from "effect/testing"
import * as ExtensionHeader from "../../src/handshake/ExtensionHeader.ts"
import { fastest } from "../fixtures/bytes.ts"

const parse = (value: string): unknown => Result.getOrElse(ExtensionHeader.parse(value), (error) => error.message)

describe("ExtensionHeader", () => {
  it.each([
    ["foo", [{ name: "foo", params: [] }]],
    [
      "foo, bar; baz=2",
      [
        { name: "foo", params: [] },
        { name: "bar", params: [{ name: "baz", value: "2" }] }
      ]
    ],
    [
      "mux; max-channels=4; flow-control,\t deflate-stream",
      [
        {
          name: "mux",
          params: [
            { name: "max-channels", value: "4" },
            { name: "flow-control", value: undefined }
          ]
        },
        { name: "deflate-stream", params: [] }
      ]
    ],
    ['a;b="c"', [{ name: "a", params: [{ name: "b", value: "c" }] }]],
    ['a;b="\\c\\1x"', [{ name: "a", params: [{ name: "b", value: "c1x" }] }]],
    [
      '\t a ; b = "c" ; d',
      [
        {
          name: "a",
          params: [
            { name: "b", value: "c" },
            { name: "d", value: undefined }
          ]
        }
      ]
    ],
    [
      "a;b;b",
      [
        {
          name: "a",
          params: [
            { name: "b", value: undefined },
            { name: "b", value: undefined }
          ]
        }
      ]
    ],
    [",, a ,,", [{ name: "a", params: [] }]],
    ["__proto__;constructor=1", [{ name: "__proto__", params: [{ name: "constructor", value: "1" }] }]]
  ])("parses %j", (value, extensions) => {
    assert.deepStrictEqual(parse(value), extensions)
  })

  it.each([
    ["", 0, "the name of an extension", "the end"],
    [" , ,", 4, "the name of an extension", "the end"],
    ["a;", 2, "the name of a parameter", "the end"],
    ["a;;b", 2, "the name of a parameter", '";"'],
    ["a;b=", 4, "a token as the value of a parameter", "the end"],
    ["a;b=,c", 4, "a token as the value of a parameter", '","'],
    ['a;b=""', 5, "a token as the value of a parameter", '"""'],
    ['a;b="c', 6, "a token as the value of a parameter", "the end"],
    ['a;b="c d"', 6, "a token as the value of a parameter", "0x20"],
    ['a;b="c,d"', 6, "a token as the value of a parameter", '","'],
    ['a;b="\\', 6, "a token as the value of a parameter", "the end"],
    ['a;b="\\""', 6, "a token as the value of a parameter", '"""'],
    ["a b", 2, '";", "," or the end', '"b"'],
    ["a=b", 1, '";", "," or the end', '"="'],
    ['a;b="c"d', 7, '";", "," or the end', '"d"'],
    ['"a"', 0, "the name of an extension", '"""'],
    [";a", 0, "the name of an extension", '";"'],
    ["a\u00e9", 1, '";", "," or the end', "0xe9"]
  ])("refuses %j", (value, offset, expected, found) => {
    assert.strictEqual(
      parse(value),
      `malformed Sec-WebSocket-Extensions at character ${offset}: expected ${expected}, found ${found}`
    )
  })

  it("renders without quotes", () => {
    const value = "permessage-deflate; client_max_window_bits; server_max_window_bits=10, foo"
    assert.strictEqual(ExtensionHeader.render(Result.getOrThrow(ExtensionHeader.parse(value))), value)
  })

  it.effect("ExtensionOffersFromString survives a round trip", () =>
    new TestSchema.Asserts(ExtensionHeader.ExtensionOffersFromString).verifyRoundTripEffect({ runs: 1000 })
  )

  it.prop(
    "garbage never throws, and what is parsed is valid and stays the same",
    [Schema.Array(Schema.Literals(["a", "bc", " ", "\t", ",", ";", "=", '"', "\\", "\xe9", "\0", "\u20ac"]))],
    ([parts]) => {
      const parsed = ExtensionHeader.parse(parts.join(""))
      if (Result.isFailure(parsed)) return
      assert.isTrue(Schema.is(ExtensionHeader.ExtensionOffers)(parsed.success))
      assert.deepStrictEqual(
        Result.getOrThrow(ExtensionHeader.parse(ExtensionHeader.render(parsed.success))),
        parsed.success
      )
    },
    { arbitrary: { runs: 1000 } }
  )

  it.each([" ", "\t", ",", ";", '"', "\\", "=", "\\a", ";a", ",a", "; a=b"])(
    "32 000 characters of %j cost no more than letters",
    (filler) => {
      const cost = (text: string): number => {
        const long = text.repeat(32_000 / text.length)
        return fastest(() => {
          for (const value of [long, `a${long}`, `a;b="${long}`, `a;b="c${long}"`, `a;b=${long}`, `a${long}b`]) {
            ExtensionHeader.parse(value)
          }
        })
      }
      assert.isBelow(cost(filler), 30 * cost("a") + 5)
    }
  )
})
