import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as ClientHandshake from "../../src/handshake/ClientHandshake.ts"
import type { HandshakeRejection } from "../../src/handshake/HandshakeRejection.ts"
import type { HeaderFields } from "../../src/http/HeaderFields.ts"
import * as Http2Head from "../../src/http/Http2Head.ts"
import * as ServerHandshake from "../../src/handshake/ServerHandshake.ts"

// RFC 8441 5.1, "Example"
const golden: ReadonlyArray<readonly [string, string]> = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "https"],
  [":path", "/chat?room=1"],
  [":authority", "server.example.com"],
  ["sec-websocket-protocol", "chat, superchat"],
  ["sec-websocket-extensions", "permessage-deflate"],
  ["sec-websocket-version", "13"],
  ["origin", "http://www.example.com"]
]

type Change = { readonly [name: string]: string | undefined }

const fields = (change: Change = {}): HeaderFields => [
  ...golden.flatMap(([name, value]) => {
    const changed = name in change ? change[name] : value
    return changed === undefined ? [] : [{ name, value: changed }]
  }),
  ...Object.entries(change).flatMap(([name, value]) =>
    value === undefined || golden.some(([known]) => known === name) ? [] : [{ name, value }]
  )
]

const readFields = (list: HeaderFields) =>
  Result.flatMap(Http2Head.fromFields(list), (head) => ServerHandshake.readConnect(head, { secure: true }))

const refusal = (list: HeaderFields): HandshakeRejection => {
  const result = readFields(list)
  assert(Result.isFailure(result), "the request was read")
  return result.failure
}

describe("ServerHandshake.readConnect", () => {
  it("reads the request of RFC 8441 5.1", () => {
    const head = Result.getOrThrow(Http2Head.fromFields(fields()))
    assert.deepStrictEqual(Result.getOrThrow(ServerHandshake.readConnect(head, { secure: true })), {
      version: "HTTP/2",
      target: "/chat?room=1",
      path: "/chat",
      query: "room=1",
      host: "server.example.com",
      origin: "http://www.example.com",
      key: undefined,
      subprotocols: ["chat", "superchat"],
      extensions: [{ name: "permessage-deflate", params: [] }],
      headers: head.headers,
      secure: true
    })
  })

  it("takes Host where a proxy left out :authority", () => {
    const request = Result.getOrThrow(readFields(fields({ ":authority": undefined, host: "a.example:8443" })))
    assert.strictEqual(request.host, "a.example:8443")
  })

  it.each([
    ["a GET", { ":method": "GET", ":protocol": undefined }, 400, "NotAnUpgrade", /extended CONNECT/],
    ["a POST", { ":method": "POST", ":protocol": undefined }, 405, "MethodNotAllowed", /CONNECT/],
    ["a CONNECT of a proxy", { ":protocol": undefined }, 400, "NotAnUpgrade", /:protocol websocket/],
    ["another protocol", { ":protocol": "connect-udp" }, 501, "NotAnUpgrade", /connect-udp/],
    ["no :path", { ":path": undefined }, 400, "InvalidTarget", /:path/],
    ["a :path that is none", { ":path": "*" }, 400, "InvalidTarget", /:path/],
    ["a fragment", { ":path": "/a#b" }, 400, "InvalidTarget", /fragment/],
    ["no :scheme", { ":scheme": undefined }, 400, "InvalidTarget", /:scheme/],
    ["another scheme", { ":scheme": "ftp" }, 400, "InvalidTarget", /:scheme/],
    ["no :authority", { ":authority": undefined }, 400, "InvalidHost", /:authority/],
    ["a bad :authority", { ":authority": "a b" }, 400, "InvalidHost", /:authority/],
    ["no version", { "sec-websocket-version": undefined }, 400, "UnsupportedVersion", /13/],
    ["another version", { "sec-websocket-version": "8" }, 400, "UnsupportedVersion", /13/],
    ["a bad subprotocol", { "sec-websocket-protocol": "a,,b c" }, 400, "InvalidSubprotocols", /./],
    ["a bad extension", { "sec-websocket-extensions": ";" }, 400, "InvalidExtensions", /./],
    ["a body", { "content-length": "3" }, 400, "UnexpectedBody", /body/],
    ["a header of HTTP/1.1", { connection: "Upgrade" }, 400, "InvalidHead", /connection/],
    ["an unknown pseudo-header", { ":status": "200" }, 400, "InvalidHead", /pseudo-header/],
    ["a name in capitals", { Cookie: "a=b" }, 400, "InvalidHead", /lower case/],
    ["a long path", { ":path": `/${"a".repeat(9000)}` }, 414, "InvalidHead", /path/],
    ["long fields", { cookie: "a".repeat(20_000) }, 431, "InvalidHead", /long/]
  ] as ReadonlyArray<readonly [string, Change, number, HandshakeRejection["rule"], RegExp]>)(
    "refuses %s",
    (_, change, status, rule, reason) => {
      const found = refusal(fields(change))
      assert.strictEqual(found.status, status)
      assert.strictEqual(found.rule, rule)
      assert.match(found.reason, reason)
    }
  )

  it("refuses a pseudo-header that is repeated, or behind another field", () => {
    const [first, ...rest] = fields()
    assert.match(refusal([first!, first!, ...rest]).reason, /repeated/)
    assert.match(refusal([...rest, first!]).reason, /behind/)
  })

  it("refuses more fields than the limit", () => {
    const many = Array.from({ length: 129 }, (_, i) => ({ name: `x-${i}`, value: "" }))
    assert.strictEqual(refusal([...fields().slice(0, 5), ...many]).status, 431)
  })
})

describe("ServerHandshake.connectResponse", () => {
  it("accepts with 200, without Accept, and with names in lower case", () => {
    const request = Result.getOrThrow(readFields(fields()))
    const response = ServerHandshake.connectResponse(request, {
      subprotocol: "chat",
      extensions: [{ name: "permessage-deflate", params: [] }],
      headers: [{ name: "Set-Cookie", value: "a=b" }]
    })
    assert.deepStrictEqual(Result.getOrThrow(response), {
      status: 200,
      headers: [
        { name: "sec-websocket-protocol", value: "chat" },
        { name: "sec-websocket-extensions", value: "permessage-deflate" },
        { name: "set-cookie", value: "a=b" }
      ]
    })
  })

  it("adds a field for each value of a record", () => {
    const request = Result.getOrThrow(readFields(fields()))
    const response = ServerHandshake.connectResponse(request, { headers: { "Set-Cookie": ["a=b", "c=d"] } })
    assert.deepStrictEqual(Result.getOrThrow(response).headers, [
      { name: "set-cookie", value: "a=b" },
      { name: "set-cookie", value: "c=d" }
    ])
  })

  it.each([
    ["InvalidHeader", { A: "b\nC: d" }],
    ["ReservedHeader", { Connection: "close" }]
  ])("misuse is typed: %s for %j", (rule, headers) => {
    const response = ServerHandshake.connectResponse(Result.getOrThrow(readFields(fields())), { headers })
    assert(Result.isFailure(response), "it was answered")
    assert.strictEqual(response.failure.rule, rule)
  })

  it("does not agree to what was not offered", () => {
    const request = Result.getOrThrow(readFields(fields()))
    const response = ServerHandshake.connectResponse(request, { subprotocol: "mqtt" })
    assert(Result.isFailure(response), "it was agreed to")
    assert.strictEqual(response.failure.rule, "UnofferedSubprotocol")
  })
})

describe("ServerHandshake.asHttp1", () => {
  it("gives a plain request as one of HTTP/1.1", () => {
    const head = Result.getOrThrow(
      Http2Head.fromFields([
        { name: ":method", value: "GET" },
        { name: ":path", value: "/page" },
        { name: ":authority", value: "a.example" },
        { name: "host", value: "b.example" },
        { name: "accept", value: "*/*" }
      ])
    )
    assert.deepStrictEqual(ServerHandshake.asHttp1(head), {
      method: "GET",
      target: "/page",
      version: "HTTP/1.1",
      headers: [
        { name: "Host", value: "a.example" },
        { name: "accept", value: "*/*" }
      ]
    })
  })
})

describe("ClientHandshake over HTTP/2", () => {
  const options = {
    url: new URL("wss://server.example.com/chat?room=1"),
    subprotocols: ["chat", "superchat"],
    extensions: [{ name: "permessage-deflate", params: [] }],
    origin: "http://www.example.com",
    headers: [{ name: "Cookie", value: "a=b" }]
  }

  it("asks as RFC 8441 5.1 does", () => {
    const head = Result.getOrThrow(ClientHandshake.connectRequest(options))
    assert.deepStrictEqual(
      new Map(Http2Head.toFields(head).map(({ name, value }) => [name, value])),
      new Map([...golden, ["cookie", "a=b"]])
    )
    assert.deepStrictEqual(Result.getOrThrow(Http2Head.fromFields(Http2Head.toFields(head))), head)
  })

  it("adds a field for each value of a record", () => {
    const head = Result.getOrThrow(
      ClientHandshake.connectRequest({ url: options.url, headers: { Cookie: "a=b", "X-Tag": ["1", "2"] } })
    )
    assert.deepStrictEqual(
      Http2Head.toFields(head)
        .slice(-3)
        .map(({ name, value }) => `${name}: ${value}`),
      ["cookie: a=b", "x-tag: 1", "x-tag: 2"]
    )
  })

  it("asks with http for ws", () => {
    const url = new URL("ws://a.example/")
    assert.strictEqual(Result.getOrThrow(ClientHandshake.connectRequest({ url })).scheme, "http")
  })

  it("refuses what it cannot ask", () => {
    const reserved = ClientHandshake.connectRequest({ ...options, headers: [{ name: "Connection", value: "close" }] })
    assert(Result.isFailure(reserved), "it was asked")
    assert.strictEqual(reserved.failure.rule, "ReservedHeader")
    const invalid = ClientHandshake.connectRequest({ ...options, headers: { A: "b\nC: d" } })
    assert(Result.isFailure(invalid), "it was asked")
    assert.strictEqual(invalid.failure.rule, "InvalidHeader")
  })

  it("takes any status of the 2xx, and what was agreed on", () => {
    const headers = [{ name: "sec-websocket-protocol", value: "chat" }]
    const accepted = Result.getOrThrow(ClientHandshake.checkConnect(options, { status: 204, headers }))
    assert.strictEqual(accepted.subprotocol, "chat")
  })

  it.each([
    [404, {}, "BadStatus"],
    [101, {}, "BadStatus"],
    [200, { "sec-websocket-protocol": "mqtt" }, "UnofferedSubprotocol"],
    [200, { "sec-websocket-extensions": "x-mine" }, "UnofferedExtension"],
    [200, { "sec-websocket-extensions": ";" }, "MalformedExtensions"]
  ] as const)("refuses %s with %o", (status, headers, rule) => {
    const list = Object.entries(headers).map(([name, value]) => ({ name, value: value as string }))
    const checked = ClientHandshake.checkConnect(options, { status, headers: list })
    assert(Result.isFailure(checked), "it was accepted")
    assert.strictEqual(checked.failure.rule, rule)
  })
})
