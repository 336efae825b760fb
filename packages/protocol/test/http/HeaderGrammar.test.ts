import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import * as HeaderGrammar from "../../src/http/HeaderGrammar.ts"
import { fastest } from "../fixtures/bytes.ts"

describe("HeaderGrammar", () => {
  it("isToken holds for exactly the 77 characters of RFC 9110 5.6.2", () => {
    const reference = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for (let code = 0; code < 0x300; code++) {
      const char = String.fromCharCode(code)
      assert.strictEqual(HeaderGrammar.isToken(char), reference.includes(char), `0x${code.toString(16)}`)
    }
    assert.isFalse(HeaderGrammar.isToken(""))
    assert.isFalse(HeaderGrammar.isToken("a b"))
  })

  it("isFieldValue refuses controls, wide characters and surrounding spaces", () => {
    for (const value of ["", "a", "a b", "a\tb", "\x80\xff", "!"]) assert.isTrue(HeaderGrammar.isFieldValue(value))
    for (const value of [" a", "a ", "\ta", " ", "a\rb", "a\nb", "a\0", "\x7f", "\u0100", "€"]) {
      assert.isFalse(HeaderGrammar.isFieldValue(value), JSON.stringify(value))
    }
  })

  it("isTarget holds for visible ASCII", () => {
    assert.isTrue(HeaderGrammar.isTarget("/a?b=%20"))
    for (const value of ["", "/ ", "/\t", "/\xe9", "/\n"]) assert.isFalse(HeaderGrammar.isTarget(value))
  })

  it("trim removes spaces and tabs, and nothing else", () => {
    assert.strictEqual(HeaderGrammar.trim(" \t a b\t "), "a b")
    assert.strictEqual(HeaderGrammar.trim("\xa0a\n"), "\xa0a\n")
    assert.strictEqual(HeaderGrammar.trim("  "), "")
  })

  it("splitList drops empty elements", () => {
    assert.deepStrictEqual(HeaderGrammar.splitList(",a , ,b,"), ["a", "b"])
    assert.deepStrictEqual(HeaderGrammar.splitList(" ,, "), [])
  })

  it("equalsIgnoreCase ignores the case of ASCII letters, and of nothing else", () => {
    for (let a = 0; a < 0x180; a++) {
      for (let b = 0; b < 0x180; b++) {
        const [left, right] = [`x${String.fromCharCode(a)}`, `X${String.fromCharCode(b)}`]
        const lower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
        assert.strictEqual(HeaderGrammar.equalsIgnoreCase(left, right), lower(left) === lower(right), `${a} ${b}`)
      }
    }
    assert.isFalse(HeaderGrammar.equalsIgnoreCase("a", "ab"))
  })

  it.prop(
    "the schemas agree with the guards",
    [Schema.String, Arbitrary.schema(HeaderGrammar.Token), Arbitrary.schema(HeaderGrammar.FieldValue)],
    ([text, token, value]) =>
      Schema.is(HeaderGrammar.Token)(text) === HeaderGrammar.isToken(text) &&
      Schema.is(HeaderGrammar.FieldValue)(text) === HeaderGrammar.isFieldValue(text) &&
      HeaderGrammar.isToken(token) &&
      HeaderGrammar.isFieldValue(value),
    { arbitrary: { runs: 1000 } }
  )

  it.each([" ", "\t", ",", '"'])("32 000 times %j cost no more than letters", (char) => {
    const isFieldValue = Schema.is(HeaderGrammar.FieldValue)
    const cost = (filler: string): number => {
      const value = `a${filler.repeat(32_000)}\0`
      return fastest(() => {
        isFieldValue(value)
        HeaderGrammar.trim(value)
        HeaderGrammar.splitList(value)
      })
    }
    assert.isBelow(cost(char), 30 * cost("a") + 2)
  })
})
