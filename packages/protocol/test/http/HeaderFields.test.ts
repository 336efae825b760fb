import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { TestSchema } from "effect/testing"
import * as HeaderFields from "../../src/http/HeaderFields.ts"

const fields = HeaderFields.fromEntries([
  ["Connection", "keep-alive, , Upgrade"],
  ["X", "1"],
  ["connection", "x"],
  ["__proto__", "evil"]
])

describe("HeaderFields", () => {
  it("looks names up without case, first one first", () => {
    assert.strictEqual(HeaderFields.get(fields, "CONNECTION"), "keep-alive, , Upgrade")
    assert.strictEqual(HeaderFields.get(fields, "y"), undefined)
    assert.deepStrictEqual(HeaderFields.getAll(fields, "Connection"), ["keep-alive, , Upgrade", "x"])
    assert.deepStrictEqual(HeaderFields.getAll(fields, "y"), [])
    assert.isTrue(HeaderFields.has(fields, "x"))
    assert.isFalse(HeaderFields.has(fields, "y"))
  })

  it("joins lists over repeated fields", () => {
    assert.deepStrictEqual(HeaderFields.getList(fields, "connection"), ["keep-alive", "Upgrade", "x"])
    assert.isTrue(HeaderFields.hasListElement(fields, "Connection", "upgrade"))
    assert.isFalse(HeaderFields.hasListElement(fields, "Connection", "grade"))
  })

  it("knows no names but those that were sent", () => {
    assert.strictEqual(HeaderFields.get(fields, "__proto__"), "evil")
    for (const name of ["constructor", "toString", "length"]) assert.isFalse(HeaderFields.has(fields, name))
  })

  it("is made of whatever yields pairs", () => {
    assert.deepStrictEqual(HeaderFields.fromEntries(Object.entries({ A: "b" })), [{ name: "A", value: "b" }])
    assert.deepStrictEqual(HeaderFields.fromEntries(new Headers({ A: "b" })), [{ name: "a", value: "b" }])
  })

  it("is made of a list, a record or nothing", () => {
    assert.strictEqual(HeaderFields.fromInput(fields), fields)
    assert.deepStrictEqual(HeaderFields.fromInput(undefined), [])
    assert.deepStrictEqual(HeaderFields.fromInput({}), [])
    assert.deepStrictEqual(HeaderFields.fromInput({ A: "1", B: ["2", "3"], C: undefined, D: [], E: "" }), [
      { name: "A", value: "1" },
      { name: "B", value: "2" },
      { name: "B", value: "3" },
      { name: "E", value: "" }
    ])
  })

  it("takes of a record what is its own", () => {
    const record = JSON.parse('{ "__proto__": "evil" }') as Record<string, string>
    assert.deepStrictEqual(HeaderFields.fromInput(record), [{ name: "__proto__", value: "evil" }])
    assert.deepStrictEqual(HeaderFields.fromInput(Object.create({ A: "1" })), [])
  })

  it("has a schema that refuses injected lines", () => {
    const is = Schema.is(HeaderFields.HeaderFields)
    assert.isTrue(is(fields))
    assert.isFalse(is([{ name: "A", value: "b\r\nC: d" }]))
    assert.isFalse(is([{ name: "A:", value: "b" }]))
  })

  it.effect("the schema survives a round trip", () =>
    new TestSchema.Asserts(HeaderFields.HeaderFields).verifyRoundTripEffect({ runs: 200 })
  )
})
