import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as HttpHead from "../../src/http/HttpHead.ts"

const request: HttpHead.RequestHead = { method: "GET", target: "/", version: "HTTP/1.1", headers: [] }
const response: HttpHead.ResponseHead = { version: "HTTP/1.1", status: 101, reason: "x", headers: [] }

const text = (result: Result.Result<Uint8Array, HttpHead.HeadEncodeError>): string =>
  Result.isFailure(result) ? result.failure.part : Buffer.from(result.success).toString("latin1")

describe("HttpHead", () => {
  it("encodes heads byte for byte", () => {
    const headers = [
      { name: "Host", value: "a" },
      { name: "X", value: "\xe9" },
      { name: "Empty", value: "" }
    ]
    assert.strictEqual(
      text(HttpHead.encodeRequest({ ...request, target: "/a?b", headers })),
      "GET /a?b HTTP/1.1\r\nHost: a\r\nX: \xe9\r\nEmpty: \r\n\r\n"
    )
    assert.strictEqual(
      text(HttpHead.encodeResponse({ ...response, reason: "Switching Protocols", headers })),
      "HTTP/1.1 101 Switching Protocols\r\nHost: a\r\nX: \xe9\r\nEmpty: \r\n\r\n"
    )
  })

  it.each([
    ["Method", { method: "GET / HTTP/1.1\r\nX:" }],
    ["Method", { method: "" }],
    ["Method", { method: "A".repeat(33) }],
    ["Target", { target: "/ HTTP/1.1\r\nX: y" }],
    ["Target", { target: "" }],
    ["Target", { target: "/\u{1f600}" }],
    ["HeaderName", { headers: [{ name: "A\r\nB", value: "" }] }],
    ["HeaderName", { headers: [{ name: "", value: "" }] }],
    ["HeaderName", { headers: [{ name: "A ", value: "" }] }],
    ["HeaderValue", { headers: [{ name: "A", value: "b\r\nC: d" }] }],
    ["HeaderValue", { headers: [{ name: "A", value: "b\rC" }] }],
    ["HeaderValue", { headers: [{ name: "A", value: "b\n C" }] }],
    ["HeaderValue", { headers: [{ name: "A", value: "b\0" }] }],
    ["HeaderValue", { headers: [{ name: "A", value: "\u010a" }] }],
    ["HeaderValue", { headers: [{ name: "A", value: "b " }] }],
    [
      "BodyLength",
      {
        headers: [
          { name: "Content-Length", value: "1" },
          { name: "Transfer-Encoding", value: "chunked" }
        ]
      }
    ]
  ] as const)("refuses a request with a bad %s: %j", (part, change) => {
    assert.strictEqual(text(HttpHead.encodeRequest({ ...request, ...change })), part)
  })

  it.each([
    ["Status", { status: 99 }],
    ["Status", { status: 1000 }],
    ["Status", { status: 101.5 }],
    ["Status", { status: Number.NaN }],
    ["Reason", { reason: "x\r\nSet-Cookie: a" }],
    ["Reason", { reason: "\u2603" }],
    ["HeaderValue", { headers: [{ name: "A", value: "b\r\n" }] }]
  ] as const)("refuses a response with a bad %s: %j", (part, change) => {
    assert.strictEqual(text(HttpHead.encodeResponse({ ...response, ...change })), part)
  })

  it("says what was found", () => {
    const result = HttpHead.encodeRequest({ ...request, headers: [{ name: "A", value: "b\r\nC: d" }] })
    assert(Result.isFailure(result))
    assert.strictEqual(
      result.failure.message,
      'cannot write an HTTP head: A has a forbidden character, or a space at an end; found "b\\r\\nC: d"'
    )
  })
})
