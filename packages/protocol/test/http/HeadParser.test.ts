import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import * as HeadParser from "../../src/http/HeadParser.ts"
import * as HttpHead from "../../src/http/HttpHead.ts"
import { bytesOf, fastest } from "../fixtures/bytes.ts"

type Outcome = { readonly head: unknown; readonly rest: string } | { readonly rule: string; readonly offset: number }

const outcome = (
  kind: "request" | "response",
  chunks: ReadonlyArray<Uint8Array>,
  limits?: HeadParser.HeadLimits
): Outcome | undefined => {
  const parser = new HeadParser.HeadParser(kind, limits)
  for (const [index, chunk] of chunks.entries()) {
    const result = parser.push(chunk)
    if (result === undefined) continue
    if (result._tag === "HttpHeadError") return { rule: `${result.rule} ${result.status}`, offset: result.offset }
    const rest = [result.rest, ...chunks.slice(index + 1)].map((part) => Buffer.from(part).toString("latin1")).join("")
    return { head: result.head, rest }
  }
  return undefined
}

const parse = (kind: "request" | "response", text: string, limits?: HeadParser.HeadLimits): Outcome | undefined =>
  outcome(kind, [bytesOf(text)], limits)

const ruleOf = (text: string, limits?: HeadParser.HeadLimits, kind: "request" | "response" = "request"): string => {
  const result = parse(kind, text, limits)
  return result === undefined ? "incomplete" : "rule" in result ? result.rule : "parsed"
}

const split = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const points = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [...points, bytes.length].map((point, index) => bytes.subarray(index === 0 ? 0 : points[index - 1], point))
}

const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })))

// RFC 6455 1.2
const clientGolden = [
  "GET /chat HTTP/1.1",
  "Host: server.example.com",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Origin: http://example.com",
  "Sec-WebSocket-Protocol: chat, superchat",
  "Sec-WebSocket-Version: 13",
  "",
  ""
].join("\r\n")

const serverGolden = [
  "HTTP/1.1 101 Switching Protocols",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  "Sec-WebSocket-Protocol: chat",
  "",
  ""
].join("\r\n")

describe("HeadParser", () => {
  it("reads the request of RFC 6455 1.2 and keeps the frames behind it", () => {
    assert.deepStrictEqual(parse("request", `${clientGolden}\x81\x85\0\0\0\0Hello`), {
      head: {
        method: "GET",
        target: "/chat",
        version: "HTTP/1.1",
        headers: [
          { name: "Host", value: "server.example.com" },
          { name: "Upgrade", value: "websocket" },
          { name: "Connection", value: "Upgrade" },
          { name: "Sec-WebSocket-Key", value: "dGhlIHNhbXBsZSBub25jZQ==" },
          { name: "Origin", value: "http://example.com" },
          { name: "Sec-WebSocket-Protocol", value: "chat, superchat" },
          { name: "Sec-WebSocket-Version", value: "13" }
        ]
      },
      rest: "\x81\x85\0\0\0\0Hello"
    })
  })

  it("reads the response of RFC 6455 1.2", () => {
    assert.deepStrictEqual(parse("response", serverGolden), {
      head: {
        version: "HTTP/1.1",
        status: 101,
        reason: "Switching Protocols",
        headers: [
          { name: "Upgrade", value: "websocket" },
          { name: "Connection", value: "Upgrade" },
          { name: "Sec-WebSocket-Accept", value: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
          { name: "Sec-WebSocket-Protocol", value: "chat" }
        ]
      },
      rest: ""
    })
  })

  it("hands out the rest as a view into the last chunk", () => {
    const chunk = bytesOf(`${clientGolden}frames`)
    const result = new HeadParser.HeadParser("request").push(chunk)
    assert(result?._tag === "ParsedHead")
    assert.strictEqual(result.rest.buffer, chunk.buffer)
    assert.strictEqual(result.rest.byteOffset, clientGolden.length)
  })

  it("trims values, keeps obs-text as one character a byte, allows empty ones and a missing reason", () => {
    assert.deepStrictEqual(parse("response", "HTTP/1.0 404\r\nA: \t x y \t\r\nB:\r\nC:\xe9\xff\r\n\r\n"), {
      head: {
        version: "HTTP/1.0",
        status: 404,
        reason: "",
        headers: [
          { name: "A", value: "x y" },
          { name: "B", value: "" },
          { name: "C", value: "\xe9\xff" }
        ]
      },
      rest: ""
    })
  })

  it("reads a higher minor version as 1.1", () => {
    const result = parse("request", "GET / HTTP/1.7\r\n\r\n")
    assert(result !== undefined && "head" in result)
    assert.strictEqual((result.head as HttpHead.RequestHead).version, "HTTP/1.1")
  })

  it.each([
    ["GET / HTTP/1.1\nHost: a\r\n\r\n", "BareLineFeed 400"],
    ["GET / HTTP/1.1\r\nHost: a\n\r\n", "BareLineFeed 400"],
    ["GET / HTTP/1.1\r\nHost: a\r\n\n", "BareLineFeed 400"],
    ["GET / HTTP/1.1\rHost: a\r\n\r\n", "BareCarriageReturn 400"],
    ["GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "BareCarriageReturn 400"],
    ["GET / HTTP/1.1\r\nHost: a\r\n\rX", "BareCarriageReturn 400"],
    ["GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", "InvalidHeaderValue 400"],
    ["GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n", "InvalidHeaderValue 400"],
    ["GET / HTTP/1.1\r\nHost: a\x1b\r\n\r\n", "InvalidHeaderValue 400"],
    ["GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "FoldedHeader 400"],
    ["GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", "FoldedHeader 400"],
    ["GET / HTTP/1.1\r\n Host: a\r\n\r\n", "FoldedHeader 400"],
    ["GET / HTTP/1.1\r\nHost : a\r\n\r\n", "SpaceBeforeColon 400"],
    ["GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "SpaceBeforeColon 400"],
    ["GET / HTTP/1.1\r\n: a\r\n\r\n", "InvalidHeaderName 400"],
    ["GET / HTTP/1.1\r\nHo(st: a\r\n\r\n", "InvalidHeaderName 400"],
    ["GET / HTTP/1.1\r\nHost\r\n\r\n", "InvalidHeaderName 400"],
    ["GET / HTTP/1.1\r\nH\xf6st: a\r\n\r\n", "InvalidHeaderName 400"],
    ["GET / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "AmbiguousBodyLength 400"],
    ["GET / HTTP/1.1\r\ncontent-length: 0\r\nContent-Length: 0\r\n\r\n", "AmbiguousBodyLength 400"],
    ["GET / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", "AmbiguousBodyLength 400"],
    ["GET / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", "AmbiguousBodyLength 400"],
    ["GET / HTTP/2.0\r\n\r\n", "UnsupportedVersion 505"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "UnsupportedVersion 505"],
    ["GET / HTTP/0.9\r\n\r\n", "UnsupportedVersion 505"],
    ["GET / HTTP/1.10\r\n\r\n", "InvalidVersion 400"],
    ["GET / http/1.1\r\n\r\n", "InvalidVersion 400"],
    ["GET / HTTP/1.1 \r\n\r\n", "InvalidVersion 400"],
    ["GET /\r\n\r\n", "InvalidTarget 400"],
    ["GET  / HTTP/1.1\r\n\r\n", "InvalidTarget 400"],
    ["GET /a b HTTP/1.1\r\n\r\n", "InvalidVersion 400"],
    ["GET /\xe9 HTTP/1.1\r\n\r\n", "InvalidTarget 400"],
    ["GET\t/ HTTP/1.1\r\n\r\n", "InvalidMethod 400"],
    [" GET / HTTP/1.1\r\n\r\n", "InvalidMethod 400"],
    ["\r\nGET / HTTP/1.1\r\n\r\n", "InvalidMethod 400"],
    ["\x16\x03\x01\x02\0\x01", "InvalidMethod 400"],
    [`${"A".repeat(33)} / HTTP/1.1\r\n\r\n`, "MethodTooLong 501"],
    ["", "incomplete"],
    ["GET / HTTP/1.1\r\nHost: a\r\n\r", "incomplete"]
  ])("request %j: %s", (text, rule) => {
    assert.strictEqual(ruleOf(text), rule)
  })

  it.each([
    ["HTTP/1.1 99 x\r\n\r\n", "InvalidStatus 400"],
    ["HTTP/1.1 099 x\r\n\r\n", "InvalidStatus 400"],
    ["HTTP/1.1 1010 x\r\n\r\n", "InvalidStatus 400"],
    ["HTTP/1.1  101 x\r\n\r\n", "InvalidStatus 400"],
    ["HTTP/1.1 10x\r\n\r\n", "InvalidStatus 400"],
    ["HTTP/1.1 101 a\0\r\n\r\n", "InvalidReason 400"],
    ["HTTP/1.1 101 a\n\r\n", "BareLineFeed 400"],
    ["HTTP/1.1\r\n\r\n", "InvalidVersion 400"],
    ["HTTP/3.0 101 x\r\n\r\n", "UnsupportedVersion 505"],
    ["SSH-2.0-OpenSSH_9.6\r\n", "InvalidVersion 400"],
    // A TLS alert: the server speaks TLS.
    ["\x15\x03\x01\x00\x02\x02\x46", "InvalidVersion 400"],
    ["HTTP/1.1 404 x\r\nContent-Length: 99999999999999999999\r\n\r\n", "parsed"],
    ["HTTP/1.1 404 x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "parsed"],
    ["HTTP/1.1 101\r\n\r\n", "parsed"],
    ["HTTP/1.1 101 \r\n\r\n", "parsed"]
  ])("response %j: %s", (text, rule) => {
    assert.strictEqual(ruleOf(text, undefined, "response"), rule)
  })

  it.each([
    ["HTTP/1.1 503 x\n", 503],
    ["HTTP/1.1 503 x\r\nbad header\r\n", 503],
    ["HTTP/1.1 50x", undefined],
    ["SSH-2.0-OpenSSH_9.6", undefined]
  ])("tells the status of the response %j, as far as it was read", (text, status) => {
    const result = new HeadParser.HeadParser("response").push(bytesOf(text))
    assert.instanceOf(result, HeadParser.HttpHeadError)
    assert.strictEqual(result.responseStatus, status)
  })

  it("bounds target, headers and fields exactly, by default and as told", () => {
    const target = (length: number): string => `GET /${"a".repeat(length - 1)} HTTP/1.1\r\n\r\n`
    assert.strictEqual(ruleOf(target(8192)), "parsed")
    assert.strictEqual(ruleOf(target(8193)), "TargetTooLong 414")
    assert.strictEqual(ruleOf(target(10), { maxTargetBytes: 10 }), "parsed")
    assert.strictEqual(ruleOf(target(11), { maxTargetBytes: 10 }), "TargetTooLong 414")

    const fields = (count: number): string => `GET / HTTP/1.1\r\n${"a:b\r\n".repeat(count)}\r\n`
    assert.strictEqual(ruleOf(fields(128)), "parsed")
    assert.strictEqual(ruleOf(fields(129)), "TooManyHeaders 431")
    assert.strictEqual(ruleOf(fields(2), { maxHeaderFields: 1 }), "TooManyHeaders 431")

    const headers = (length: number): string => `GET / HTTP/1.1\r\na: ${"b".repeat(length - 5)}\r\n\r\n`
    assert.strictEqual(ruleOf(headers(16383)), "parsed")
    assert.strictEqual(ruleOf(headers(16385)), "HeadersTooLarge 431")
    assert.strictEqual(ruleOf(headers(40), { maxHeaderBytes: 30 }), "HeadersTooLarge 431")
    assert.strictEqual(ruleOf(`GET / HTTP/1.1\r\n${"n".repeat(20_000)}`), "HeadersTooLarge 431")
    assert.strictEqual(ruleOf(`HTTP/1.1 200 ${"r".repeat(20_000)}`, undefined, "response"), "HeadersTooLarge 431")
  })

  it("refuses an endless head before its end", () => {
    const parser = new HeadParser.HeadParser("request")
    const chunk = bytesOf("a".repeat(1000))
    let result = parser.push(bytesOf("GET / HTTP/1.1\r\nA: "))
    let pushed = 0
    while (result === undefined) {
      result = parser.push(chunk)
      pushed += chunk.length
    }
    assert(result._tag === "HttpHeadError")
    assert.strictEqual(result.rule, "HeadersTooLarge")
    assert.strictEqual(pushed, 17_000)
  })

  it("ends with its first error, and is used once", () => {
    const failed = new HeadParser.HeadParser("request")
    const error = failed.push(bytesOf("\n"))
    assert.strictEqual(failed.push(bytesOf(clientGolden)), error)
    const done = new HeadParser.HeadParser("request")
    done.push(bytesOf(clientGolden))
    assert.throws(() => done.push(bytesOf("x")), /create another/)
  })

  it("says where, what and what was expected", () => {
    const error = new HeadParser.HeadParser("request").push(bytesOf("GET / HTTP/1.1\r\nHost : a\r\n\r\n"))
    assert(error?._tag === "HttpHeadError")
    assert.strictEqual(
      error.message,
      "invalid HTTP head at byte 20: found a space between the name of a header and its colon"
    )
  })

  it.prop(
    "any split of a request gives the same head and rest",
    [HttpHead.RequestHead, Schema.Uint8Array, Cuts],
    ([head, rest, cuts]) => {
      const encoded = Result.getOrThrow(HttpHead.encodeRequest(head))
      const bytes = new Uint8Array([...encoded, ...rest])
      const expected = { head, rest: Buffer.from(rest).toString("latin1") }
      assert.deepStrictEqual(outcome("request", split(bytes, cuts), generous), expected)
      // A Node Buffer decodes its text natively.
      assert.deepStrictEqual(outcome("request", split(Buffer.from(bytes), cuts), generous), expected)
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop(
    "any split of a response gives the same head and rest",
    [HttpHead.ResponseHead, Schema.Uint8Array, Cuts],
    ([head, rest, cuts]) => {
      const encoded = Result.getOrThrow(HttpHead.encodeResponse(head))
      const bytes = new Uint8Array([...encoded, ...rest])
      const expected = { head, rest: Buffer.from(rest).toString("latin1") }
      assert.deepStrictEqual(outcome("response", split(bytes, cuts), generous), expected)
      // A Node Buffer decodes its text natively.
      assert.deepStrictEqual(outcome("response", split(Buffer.from(bytes), cuts), generous), expected)
    },
    { arbitrary: { runs: 1000 } }
  )

  const Index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: clientGolden.length - 1 }))
  const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

  it.prop(
    "any split of a damaged head gives the same outcome, limits reached or not",
    [Schema.Array(Schema.Tuple([Index, Byte])), Cuts, Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 250 }))],
    ([damages, cuts, limit]) => {
      const limits = { maxTargetBytes: limit, maxHeaderBytes: limit, maxHeaderFields: limit & 7 }
      const bytes = bytesOf(clientGolden)
      for (const [index, byte] of damages.slice(0, 3)) bytes[index] = byte
      const whole = outcome("request", [bytes], limits)
      assert.deepStrictEqual(outcome("request", split(bytes, cuts), limits), whole)
      assert.deepStrictEqual(
        outcome(
          "request",
          Array.from(bytes, (byte) => new Uint8Array([byte])),
          limits
        ),
        whole
      )
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop(
    "garbage never throws",
    [Schema.Uint8Array, Schema.Uint8Array],
    ([first, second]) => {
      for (const kind of ["request", "response"] as const) {
        outcome(kind, [first, second])
        outcome(kind, [bytesOf(kind === "request" ? "GET / HTTP/1.1\r\n" : "HTTP/1.1 101 x\r\n"), first, second])
      }
    },
    { arbitrary: { runs: 1000 } }
  )

  it.each([" ", "\t", '"', ",", ";", "\\", ":", "="])("32 000 times %j cost no more than letters", (char) => {
    const limits = { maxHeaderBytes: 100_000 }
    const cost = (filler: string): number => {
      const bytes = bytesOf(`GET / HTTP/1.1\r\nA: b${filler.repeat(32_000)}c\r\n\r\n`)
      return fastest(() => new HeadParser.HeadParser("request", limits).push(bytes))
    }
    assert.isBelow(cost(char), 20 * cost("a") + 2)
  })

  it("costs the same for one byte at a time as for all at once, but for the calls", () => {
    const limits = { maxHeaderBytes: 200_000 }
    const cost = (length: number): number => {
      const chunks = Array.from(bytesOf(`GET / HTTP/1.1\r\nA: ${"b".repeat(length)}\r\n\r\n`), (byte) =>
        Uint8Array.of(byte)
      )
      return fastest(() => outcome("request", chunks, limits))
    }
    // quadratic work would take 64 times as long for 8 times the bytes
    assert.isBelow(cost(64_000), 32 * cost(8_000) + 2)
  })

  it.prop(
    "generated heads are valid",
    [Arbitrary.schema(HttpHead.RequestHead), Arbitrary.schema(HttpHead.ResponseHead)],
    ([request, response]) =>
      Schema.is(HttpHead.RequestHead)(request) &&
      Schema.is(HttpHead.ResponseHead)(response) &&
      Result.isSuccess(HttpHead.encodeRequest(request)) &&
      Result.isSuccess(HttpHead.encodeResponse(response)),
    { arbitrary: { runs: 1000 } }
  )
})

const generous: HeadParser.HeadLimits = { maxTargetBytes: 1 << 20, maxHeaderBytes: 1 << 20, maxHeaderFields: 1 << 20 }
