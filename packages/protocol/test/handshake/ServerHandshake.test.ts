import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import * as HandshakeKey from "../../src/handshake/HandshakeKey.ts"
import * as HandshakeRejection from "../../src/handshake/HandshakeRejection.ts"
import type { HeaderFields } from "../../src/http/HeaderFields.ts"
import * as HttpHead from "../../src/http/HttpHead.ts"
import * as ServerHandshake from "../../src/handshake/ServerHandshake.ts"
import { sha1 } from "../fixtures/sha1.ts"

const golden: ReadonlyArray<readonly [string, string]> = [
  ["Host", "server.example.com"],
  ["Upgrade", "websocket"],
  ["Connection", "Upgrade"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["Origin", "http://example.com"],
  ["Sec-WebSocket-Protocol", "chat, superchat"],
  ["Sec-WebSocket-Version", "13"]
]

type Change = { readonly [name: string]: string | ReadonlyArray<string> | undefined }

const fields = (change: Change): HeaderFields => {
  const kept = golden.filter(([name]) => !(name in change))
  const added = Object.entries(change).flatMap(([name, value]) =>
    (value === undefined ? [] : typeof value === "string" ? [value] : value).map((each) => [name, each] as const)
  )
  return [...kept, ...added].map(([name, value]) => ({ name, value }))
}

const request = (change: Change = {}, head: Partial<HttpHead.RequestHead> = {}): HttpHead.RequestHead => ({
  method: "GET",
  target: "/chat",
  version: "HTTP/1.1",
  headers: fields(change),
  ...head
})

const read = (head: HttpHead.RequestHead): ServerHandshake.UpgradeRequest =>
  Result.getOrThrow(ServerHandshake.readUpgrade(head))

const refusal = (head: HttpHead.RequestHead): HandshakeRejection.HandshakeRejection => {
  const result = ServerHandshake.readUpgrade(head)
  assert(Result.isFailure(result), "the handshake was read")
  return result.failure
}

describe("ServerHandshake.readUpgrade", () => {
  it("reads the request of RFC 6455 1.2", () => {
    const head = request()
    assert.deepStrictEqual(read(head), {
      version: "HTTP/1.1",
      target: "/chat",
      path: "/chat",
      query: "",
      host: "server.example.com",
      origin: "http://example.com",
      key: "dGhlIHNhbXBsZSBub25jZQ==",
      subprotocols: ["chat", "superchat"],
      extensions: [],
      headers: head.headers,
      secure: undefined
    })
  })

  it("says whether the request came over TLS, where that is known", () => {
    const result = ServerHandshake.readUpgrade(request(), { secure: true })
    assert.strictEqual(Result.getOrThrow(result).secure, true)
  })

  it.each([
    ["/", "/", "", "server.example.com"],
    ["/a/b?c=d?e", "/a/b", "c=d?e", "server.example.com"],
    ["/?", "/", "", "server.example.com"],
    ["//a/../b", "//a/../b", "", "server.example.com"],
    ["http://other:81/a?b", "/a", "b", "other:81"],
    ["HTTPS://other", "/", "", "other"],
    ["wss://other?x", "/", "x", "other"]
  ])("reads the target %j", (target, path, query, host) => {
    const { path: readPath, query: readQuery, host: readHost } = read(request({}, { target }))
    assert.deepStrictEqual([readPath, readQuery, readHost], [path, query, host])
  })

  it.each([
    [{ Connection: "keep-alive, Upgrade" }],
    [{ Connection: ["keep-alive", "UPGRADE"] }],
    [{ Connection: ", upgrade ,," }],
    [{ Upgrade: "WebSocket" }],
    [{ Upgrade: "h2c, websocket" }],
    [{ Origin: undefined }],
    [{ Origin: "null" }],
    [{ "Sec-WebSocket-Protocol": undefined }],
    [{ "Content-Length": "0" }],
    [{ Host: "[::1]:8080" }],
    [{ Host: "localhost:" }],
    [{ "X-Unknown": ["a", "b"] }]
  ] as ReadonlyArray<readonly [Change]>)("passes %j", (change) => {
    read(request(change))
  })

  it("joins lists over repeated fields, in order", () => {
    const result = read(
      request({
        "sec-websocket-protocol": ["a", "b, c"],
        "Sec-WebSocket-Protocol": undefined,
        "Sec-WebSocket-Extensions": ["foo", "bar; baz=2"]
      })
    )
    assert.deepStrictEqual(result.subprotocols, ["a", "b", "c"])
    assert.deepStrictEqual(result.extensions, [
      { name: "foo", params: [] },
      { name: "bar", params: [{ name: "baz", value: "2" }] }
    ])
  })

  it.each([
    ["InvalidConnection", 400, { Connection: undefined }],
    ["InvalidConnection", 400, { Connection: "keep-alive" }],
    ["InvalidConnection", 400, { Connection: "not-Upgrade" }],
    ["InvalidKey", 400, { "Sec-WebSocket-Key": undefined }],
    ["InvalidKey", 400, { "Sec-WebSocket-Key": "" }],
    ["InvalidKey", 400, { "Sec-WebSocket-Key": "dGhlIHNhbXBsZQ==" }],
    ["InvalidKey", 400, { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZTE=" }],
    ["InvalidKey", 400, { "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="] }],
    ["InvalidHost", 400, { Host: undefined }],
    ["InvalidHost", 400, { Host: "" }],
    ["InvalidHost", 400, { Host: ["a", "a"] }],
    ["InvalidHost", 400, { Host: "a b" }],
    ["InvalidHost", 400, { Host: "user@a" }],
    ["InvalidHost", 400, { Host: "a:99999" }],
    ["InvalidHost", 400, { Host: "a, b/" }],
    ["InvalidOrigin", 400, { Origin: ["http://a", "http://a"] }],
    ["InvalidSubprotocols", 400, { "Sec-WebSocket-Protocol": "a, a" }],
    ["InvalidSubprotocols", 400, { "Sec-WebSocket-Protocol": ["a", "a"] }],
    ["InvalidSubprotocols", 400, { "Sec-WebSocket-Protocol": "a b" }],
    ["InvalidSubprotocols", 400, { "Sec-WebSocket-Protocol": "a/b" }],
    ["InvalidSubprotocols", 400, { "Sec-WebSocket-Protocol": "" }],
    ["InvalidExtensions", 400, { "Sec-WebSocket-Extensions": "a;" }],
    ["InvalidExtensions", 400, { "Sec-WebSocket-Extensions": 'a;b="c d"' }],
    ["InvalidExtensions", 400, { "Sec-WebSocket-Extensions": "" }],
    ["UnexpectedBody", 400, { "Content-Length": "5" }],
    ["UnexpectedBody", 400, { "Transfer-Encoding": "chunked" }]
  ] as ReadonlyArray<readonly [string, number, Change]>)("%s: %i for %j", (rule, status, change) => {
    const rejection = refusal(request(change))
    assert.strictEqual(rejection.rule, rule)
    assert.strictEqual(rejection.status, status)
    assert.deepStrictEqual(rejection.headers, [])
    assert.match(rejection.reason, /expected/)
  })

  it.each([
    ["HTTP/1.0 is refused", "UnsupportedHttpVersion", 400, { version: "HTTP/1.0" }],
    ["a target with a fragment", "InvalidTarget", 400, { target: "/a#b" }],
    ["an asterisk", "InvalidTarget", 400, { target: "*" }],
    ["an authority", "InvalidTarget", 400, { target: "server.example.com:80" }],
    ["another scheme", "InvalidTarget", 400, { target: "ftp://server/a" }],
    ["no host", "InvalidTarget", 400, { target: "http:///a" }],
    ["user information", "InvalidTarget", 400, { target: "http://user@host/a" }]
  ] as ReadonlyArray<readonly [string, string, number, Partial<HttpHead.RequestHead>]>)(
    "%s: %s",
    (_, rule, status, head) => {
      const rejection = refusal(request({}, head))
      assert.deepStrictEqual([rejection.rule, rejection.status], [rule, status])
    }
  )

  it.each(["POST", "HEAD", "OPTIONS", "get", "CONNECT"])("405 with Allow for %s", (method) => {
    const rejection = refusal(request({}, { method }))
    assert.deepStrictEqual([rejection.rule, rejection.status], ["MethodNotAllowed", 405])
    assert.deepStrictEqual(rejection.headers, [{ name: "Allow", value: "GET" }])
  })

  it.each([undefined, "h2c", "websocket/13", "web socket"])("426 with Upgrade for Upgrade: %s", (value) => {
    const rejection = refusal(request({ Upgrade: value }))
    assert.deepStrictEqual([rejection.rule, rejection.status], ["NotAnUpgrade", 426])
    assert.deepStrictEqual(rejection.headers, [{ name: "Upgrade", value: "websocket" }])
  })

  it.each([undefined, "8", "14", "013", "13, 8", ["13", "13"]])("426 with the version for version %j", (value) => {
    const rejection = refusal(request({ "Sec-WebSocket-Version": value }))
    assert.deepStrictEqual([rejection.rule, rejection.status], ["UnsupportedVersion", 426])
    assert.deepStrictEqual(rejection.headers, [
      { name: "Upgrade", value: "websocket" },
      { name: "Sec-WebSocket-Version", value: "13" }
    ])
  })

  it.prop(
    "any head is read or refused, and every refusal can be sent",
    [
      Arbitrary.schema(HttpHead.RequestHead),
      Schema.Array(Schema.Struct({ name: Schema.Literals(golden.map(([name]) => name)), value: Schema.String }))
    ],
    ([random, others]) => {
      const printable = others.map(({ name, value }) => ({ name, value: value.replaceAll(/[^!-~]/g, "") }))
      for (const head of [random, request({}, { headers: [...random.headers, ...printable] })]) {
        const result = ServerHandshake.readUpgrade(head)
        if (Result.isFailure(result)) HandshakeRejection.encode(result.failure)
      }
    },
    { arbitrary: { runs: 1000 } }
  )
})

describe("ServerHandshake.acceptResponse", () => {
  const accept = (
    options: Omit<ServerHandshake.AcceptOptions, "sha1">,
    change: Change = { "Sec-WebSocket-Extensions": "foo; a, bar" }
  ): string => {
    const result = ServerHandshake.acceptResponse(read(request(change)), { ...options, sha1 })
    if (Result.isFailure(result)) return result.failure.rule
    return Buffer.from(Result.getOrThrow(HttpHead.encodeResponse(result.success))).toString("latin1")
  }

  it("makes the response of RFC 6455 1.2", () => {
    assert.strictEqual(
      accept({ subprotocol: "chat" }),
      [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: chat",
        "",
        ""
      ].join("\r\n")
    )
  })

  it.prop(
    "a plain answer from the prebuilt head is the one that is encoded field by field",
    [Schema.Uint8Array],
    ([seed]) => {
      const random = new Uint8Array(16)
      random.set(seed.subarray(0, 16))
      const key = HandshakeKey.fromRandom(random)
      const plain = Buffer.from(ServerHandshake.encodePlainAccept(key, sha1)).toString("latin1")
      return plain === accept({}, { "Sec-WebSocket-Key": key })
    }
  )

  it("adds extensions and headers", () => {
    const response = accept({
      extensions: [
        { name: "bar", params: [] },
        { name: "foo", params: [{ name: "a", value: "1" }] }
      ],
      headers: [{ name: "Set-Cookie", value: "a=b" }]
    })
    assert.match(response, /\r\nSec-WebSocket-Extensions: bar, foo; a=1\r\nSet-Cookie: a=b\r\n\r\n$/)
    assert.notMatch(response, /Sec-WebSocket-Protocol/)
  })

  it("adds a field for each value of a record", () => {
    const response = accept({ headers: { "Set-Cookie": ["a=b", "c=d"], "X-None": undefined, "X-Tag": "1" } })
    assert.match(response, /=\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Tag: 1\r\n\r\n$/)
  })

  it.each([
    ["UnofferedSubprotocol", { subprotocol: "Chat" }],
    ["UnofferedSubprotocol", { subprotocol: "" }],
    ["UnofferedExtension", { extensions: [{ name: "baz", params: [] }] }],
    ["InvalidExtension", { extensions: [{ name: "foo\r\n", params: [] }] }],
    ["InvalidExtension", { extensions: [{ name: "foo", params: [{ name: "a", value: "b c" }] }] }],
    ["InvalidExtension", { extensions: [{ name: "foo", params: [{ name: "", value: undefined }] }] }],
    ["InvalidHeader", { headers: [{ name: "A\r\n", value: "b" }] }],
    ["InvalidHeader", { headers: [{ name: "A", value: "b\r\nC: d" }] }],
    ["InvalidHeader", { headers: { "A\r\n": "b" } }],
    ["InvalidHeader", { headers: { A: ["b", "b\r\nC: d"] } }],
    ["ReservedHeader", { headers: { UPGRADE: "h2c" } }],
    ["ReservedHeader", { headers: [{ name: "upgrade", value: "h2c" }] }],
    ["ReservedHeader", { headers: [{ name: "Connection", value: "close" }] }],
    ["ReservedHeader", { headers: [{ name: "Sec-WebSocket-Accept", value: "x" }] }],
    ["ReservedHeader", { headers: [{ name: "Sec-WebSocket-Protocol", value: "chat" }] }],
    ["ReservedHeader", { headers: [{ name: "Sec-WebSocket-Extensions", value: "foo" }] }],
    ["ReservedHeader", { headers: [{ name: "Content-Length", value: "0" }] }]
  ] as ReadonlyArray<readonly [string, Omit<ServerHandshake.AcceptOptions, "sha1">]>)(
    "misuse is typed: %s for %j",
    (rule, options) => {
      assert.strictEqual(accept(options), rule)
    }
  )
})
