import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as HandshakeRejection from "../../src/handshake/HandshakeRejection.ts"
import { HeadParser } from "../../src/http/HeadParser.ts"
import { bytesOf } from "../fixtures/bytes.ts"

const encode = (rejection: HandshakeRejection.HandshakeRejection): string =>
  Buffer.from(HandshakeRejection.encode(rejection)).toString()

describe("HandshakeRejection", () => {
  it("becomes a complete response", () => {
    assert.strictEqual(
      encode(new HandshakeRejection.HandshakeRejection({ status: 403, reason: "no \u{1f600}" })),
      "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n" +
        "Content-Length: 8\r\n\r\nno \u{1f600}\n"
    )
  })

  it("lists Upgrade in Connection where it sends it", () => {
    const rejection = new HandshakeRejection.HandshakeRejection({
      status: 426,
      headers: [{ name: "upgrade", value: "websocket" }],
      reason: "x"
    })
    assert.match(
      encode(rejection),
      /^HTTP\/1.1 426 Upgrade Required\r\nupgrade: websocket\r\nConnection: close, Upgrade\r\n/
    )
  })

  it("keeps the program's headers, but for those that frame the message", () => {
    const rejection = new HandshakeRejection.HandshakeRejection({
      status: 599,
      headers: [
        { name: "Content-Type", value: "text/html" },
        { name: "content-length", value: "999" },
        { name: "Transfer-Encoding", value: "chunked" },
        { name: "Connection", value: "keep-alive" },
        { name: "Set-Cookie", value: "a=b" }
      ],
      reason: "<p>"
    })
    assert.strictEqual(
      encode(rejection),
      "HTTP/1.1 599 \r\nContent-Type: text/html\r\nSet-Cookie: a=b\r\nConnection: close\r\nContent-Length: 4\r\n\r\n<p>\n"
    )
  })

  it("takes headers as a record, and holds them as a list", () => {
    const rejection = new HandshakeRejection.HandshakeRejection({
      status: 503,
      headers: { "Retry-After": "5", "X-Tag": ["1", "2"], "X-None": undefined },
      reason: "x"
    })
    assert.deepStrictEqual(rejection.headers, [
      { name: "Retry-After", value: "5" },
      { name: "X-Tag", value: "1" },
      { name: "X-Tag", value: "2" }
    ])
    const decoded = Schema.decodeUnknownSync(HandshakeRejection.HandshakeRejection)(
      Schema.encodeSync(HandshakeRejection.HandshakeRejection)(rejection)
    )
    assert.instanceOf(decoded, HandshakeRejection.HandshakeRejection)
    assert.deepStrictEqual(decoded.headers, rejection.headers)
  })

  it("is made with the rule Application and no headers unless told otherwise", () => {
    const rejection = new HandshakeRejection.HandshakeRejection({ status: 404, reason: "x" })
    assert.strictEqual(rejection.rule, "Application")
    assert.deepStrictEqual(rejection.headers, [])
    assert.strictEqual(rejection.message, "handshake rejected with 404: x")
  })

  it("refuses a status or a header that cannot be sent", () => {
    const make = HandshakeRejection.HandshakeRejection
    assert.throws(() => new make({ status: 101, reason: "x" }))
    assert.throws(() => new make({ status: 600, reason: "x" }))
    assert.throws(() => new make({ status: 400, reason: "x", headers: [{ name: "A", value: "b\r\nC: d" }] }))
    assert.throws(() => new make({ status: 400, reason: "x", headers: { A: "b\r\nC: d" } }))
    assert.throws(() => new make({ status: 400, reason: "x", headers: { "A B": "c" } }))
  })

  it("answers a head that could not be read with its status", () => {
    const error = new HeadParser("request", { maxTargetBytes: 3 }).push(bytesOf("GET /long HTTP/1.1"))
    assert(error?._tag === "HttpHeadError")
    const rejection = HandshakeRejection.fromHeadError(error)
    assert.deepStrictEqual([rejection.rule, rejection.status], ["InvalidHead", 414])
    assert.strictEqual(
      encode(rejection).split("\r\n\r\n")[1],
      "invalid HTTP head at byte 7: expected a request target of at most 3 bytes\n"
    )
  })

  it.effect("is caught by its tag", () =>
    Effect.gen(function* () {
      const failing: Effect.Effect<never, HandshakeRejection.HandshakeRejection> = Effect.gen(function* () {
        return yield* new HandshakeRejection.HandshakeRejection({ status: 404, reason: "x" })
      })
      const status = yield* Effect.catchTag(failing, "HandshakeRejection", (error) => Effect.succeed(error.status))
      assert.strictEqual(status, 404)
    })
  )

  it.prop("any reason fits its Content-Length", [Schema.String], ([reason]) => {
    const response = encode(new HandshakeRejection.HandshakeRejection({ status: 400, reason }))
    const [head, ...body] = response.split("\r\n\r\n")
    const length = Buffer.byteLength(body.join("\r\n\r\n"))
    assert.strictEqual(/Content-Length: (\d+)/.exec(head!)?.[1], String(length))
  })
})
