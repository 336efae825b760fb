import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { isTokenCode } from "../src/internal/headerCharacters.ts"
import { HeaderCursor } from "../src/internal/HeaderCursor.ts"

const pieces = Schema.Array(
  Schema.Literals(["a", "bc", " ", "\t", ",", "=", ";", '"', "\\", "\xe9", "\x7f", "\0", "\u20ac"])
)

/** Quotes the pieces, so that most samples reach the end of a string. */
const quote = (parts: ReadonlyArray<string>): string => `"${parts.join("")}"`

describe("HeaderCursor", () => {
  it("is at the end of an element at a comma and at the end", () => {
    const cursor = new HeaderCursor("a,")
    assert.isFalse(cursor.atElementEnd)
    assert.strictEqual(cursor.token(), "a")
    assert.isTrue(cursor.atElementEnd)
    assert.isFalse(cursor.atEnd)
    cursor.skipEmptyElements()
    assert.isTrue(cursor.atElementEnd)
    assert.isTrue(cursor.atEnd)
  })

  it("skips spaces and tabs, and says whether there were any", () => {
    const cursor = new HeaderCursor(" \t\xa0")
    assert.isTrue(cursor.skipSpaces())
    assert.strictEqual(cursor.offset, 2)
    assert.isFalse(cursor.skipSpaces())
  })

  it("skips a character behind spaces, and stays before any other", () => {
    const cursor = new HeaderCursor(" = ;")
    assert.isTrue(cursor.skip("="))
    assert.strictEqual(cursor.offset, 2)
    assert.isFalse(cursor.skip("="))
    assert.strictEqual(cursor.offset, 3)
    assert.isTrue(cursor.skip(";"))
    assert.isFalse(cursor.skip(";"))
    assert.isTrue(cursor.atEnd)
  })

  it("skips empty elements of a list", () => {
    const cursor = new HeaderCursor(", \t,a")
    cursor.skipEmptyElements()
    assert.strictEqual(cursor.token(), "a")
  })

  it.each([
    ['""', "", 2],
    ['"a b"c', "a b", 5],
    ['"\\"\\\\\\a"', '"\\a', 8],
    ['"\t\xe9"', "\t\xe9", 4],
    ['"a', undefined, 2],
    ['"a\\', undefined, 3],
    ['"a\0"', undefined, 2],
    ['"a\\\x7f"', undefined, 3],
    ['"\u20ac"', undefined, 1]
  ])("reads the quoted string %j", (text, value, offset) => {
    const cursor = new HeaderCursor(text)
    assert.isTrue(cursor.atQuote)
    assert.strictEqual(cursor.quotedString(), value)
    assert.strictEqual(cursor.offset, offset)
  })

  it("checks the characters of a quoted string after removing backslashes", () => {
    assert.strictEqual(new HeaderCursor('"a\\b"').quotedString(isTokenCode), "ab")
    const cursor = new HeaderCursor('"a\\ b"')
    assert.isUndefined(cursor.quotedString(isTokenCode))
    assert.strictEqual(cursor.offset, 3)
  })

  it("names the character at the cursor in its error", () => {
    const cursor = new HeaderCursor("a b")
    cursor.token()
    assert.strictEqual(
      cursor.error("X-Test", "the end").message,
      "malformed X-Test at character 1: expected the end, found 0x20"
    )
    assert.strictEqual(
      cursor.error("X-Test", "the end", "a secret").message,
      "malformed X-Test at character 1: expected the end, found a secret"
    )
  })

  it.prop(
    "reads tokens and quoted strings as the regular expressions of RFC 9110 do",
    [pieces],
    ([parts]) => {
      const text = parts.join("")
      const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*/.exec(text)![0]
      const cursor = new HeaderCursor(text)
      assert.strictEqual(cursor.token(), token)
      assert.strictEqual(cursor.offset, token.length)
      const quoted = new HeaderCursor(quote(parts))
      const match = /^"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"/.exec(quoted.text)
      assert.strictEqual(quoted.quotedString(), match?.[1]!.replace(/\\([^])/g, "$1"))
      if (match !== null) assert.strictEqual(quoted.offset, match[0].length)
    },
    { arbitrary: { runs: 2000 } }
  )
})
