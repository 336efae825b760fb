import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { BodyReader } from "../src/internal/BodyReader.ts"

const head = (headers: Readonly<Record<string, string>>, status = 400): ResponseHead => ({
  version: "HTTP/1.1",
  status,
  reason: "",
  headers: Object.entries(headers).map(([name, value]) => ({ name, value }))
})

const read = (
  of: ResponseHead,
  chunks: ReadonlyArray<string>,
  options: { readonly maxBytes?: number; readonly ends?: boolean } = {}
): string => {
  const body = new BodyReader(of, options.maxBytes ?? 100)
  for (const chunk of chunks) body.push(Buffer.from(chunk, "latin1"))
  const wasDone = body.isDone
  if (options.ends === true) body.end()
  const marks = [wasDone ? "" : "unfinished", body.isTruncated ? "truncated" : ""].filter((mark) => mark !== "")
  return [Buffer.from(body.bytes).toString("latin1"), ...marks].join(" ")
}

const chunked = { "Transfer-Encoding": "chunked" }

describe("Body", () => {
  it("has the length that was announced", () => {
    const of = head({ "Content-Length": "5" })
    assert.strictEqual(read(of, ["hel", "lo, and more"]), "hello")
    assert.strictEqual(read(of, ["hel"]), "hel unfinished truncated")
    assert.strictEqual(read(of, ["hel"], { ends: true }), "hel unfinished truncated")
    assert.strictEqual(read(head({ "Content-Length": "0" }), []), "")
  })

  it.each(["99999999999999999999", "-1", "+5", "5, 5", "five", ""])("ends with the stream where %j was", (length) => {
    assert.strictEqual(read(head({ "Content-Length": length }), ["hel", "lo"], { ends: true }), "hello unfinished")
  })

  it("ends with the stream where nothing was announced", () => {
    assert.strictEqual(read(head({}), ["hel", "lo"], { ends: true }), "hello unfinished")
    assert.strictEqual(read(head({}), ["hello"]), "hello unfinished truncated")
  })

  it("is empty where the status says so", () => {
    for (const status of [101, 204, 304]) assert.strictEqual(read(head(chunked, status), ["5\r\nhello"]), "")
  })

  it("is made of chunks", () => {
    assert.strictEqual(read(head(chunked), ["5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n"]), "hello!")
    assert.strictEqual(read(head(chunked), ["0\r\nTrailer: x\r\n\r\n"]), "")
    assert.strictEqual(read(head(chunked), ["5\r\nhel"]), "hel unfinished truncated")
    assert.strictEqual(read(head(chunked), ["5\r\nhello\r\n"], { ends: true }), "hello unfinished truncated")
  })

  it("ends where the chunks make no sense", () => {
    for (const nonsense of ["x\r\n", "5\nhello", "5\r\nhellooo\r\n", `${"5".repeat(13)}\r\n`, `5;${"a".repeat(300)}`]) {
      assert.match(read(head(chunked), [nonsense]), /^(hello)? truncated$/)
    }
  })

  it("is cut off at the bound, and there says so", () => {
    assert.strictEqual(read(head({}), ["hello"], { maxBytes: 4 }), "hell truncated")
    assert.strictEqual(read(head({}), ["hello"], { maxBytes: 4, ends: true }), "hell truncated")
    assert.strictEqual(read(head({}), ["hell"], { maxBytes: 4, ends: true }), "hell unfinished")
    assert.strictEqual(read(head({ "Content-Length": "4" }), ["hell"], { maxBytes: 4 }), "hell")
    assert.strictEqual(read(head({ "Content-Length": "99999999999" }), ["hello"], { maxBytes: 4 }), "hell truncated")
    assert.strictEqual(read(head(chunked), ["3\r\nabc\r\n3\r\ndef\r\n"], { maxBytes: 4 }), "abcd truncated")
    assert.strictEqual(read(head({}), ["h"], { maxBytes: 0 }), " truncated")
  })

  const wire = "5;x\r\nhello\r\nA\r\n, world!!!\r\n0\r\n\r\n"
  it.prop(
    "is the same however it arrives",
    {
      cuts: Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: wire.length }))))
    },
    ({ cuts }) => {
      const ends = [...cuts.toSorted((a, b) => a - b), wire.length]
      const parts = ends.map((end, index) => wire.slice(ends[index - 1] ?? 0, end))
      assert.strictEqual(read(head(chunked), parts), "hello, world!!!")
    },
    { arbitrary: { runs: 1000 } }
  )
})
