import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import * as ClientHandshake from "../../src/handshake/ClientHandshake.ts"
import { ExtensionOffers } from "../../src/handshake/ExtensionHeader.ts"
import * as HandshakeKey from "../../src/handshake/HandshakeKey.ts"
import * as HandshakePolicy from "../../src/handshake/HandshakePolicy.ts"
import type * as HeaderFields from "../../src/http/HeaderFields.ts"
import { HeadParser } from "../../src/http/HeadParser.ts"
import * as HttpHead from "../../src/http/HttpHead.ts"
import * as ServerHandshake from "../../src/handshake/ServerHandshake.ts"
import { Subprotocols } from "../../src/handshake/Subprotocol.ts"
import { sha1 } from "../fixtures/sha1.ts"

const key = "dGhlIHNhbXBsZSBub25jZQ=="

const request = (url: string, options: Partial<ClientHandshake.RequestOptions> = {}): HttpHead.RequestHead | string => {
  const result = ClientHandshake.request({ url: new URL(url), key, ...options })
  return Result.isFailure(result) ? result.failure.rule : result.success
}

describe("ClientHandshake.request", () => {
  it("makes the request of RFC 6455 1.2", () => {
    const head = request("ws://server.example.com/chat", {
      origin: "http://example.com",
      subprotocols: ["chat", "superchat"],
      extensions: [{ name: "foo", params: [{ name: "a", value: undefined }] }],
      headers: [{ name: "Cookie", value: "a=b" }]
    })
    assert(typeof head !== "string")
    assert.strictEqual(
      Buffer.from(Result.getOrThrow(HttpHead.encodeRequest(head))).toString("latin1"),
      [
        "GET /chat HTTP/1.1",
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Origin: http://example.com",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: foo; a",
        "Cookie: a=b",
        "",
        ""
      ].join("\r\n")
    )
  })

  it.each<HeaderFields.Input>([
    { Cookie: "a=b", "X-Tag": ["1", "2"], "X-None": undefined },
    [
      { name: "Cookie", value: "a=b" },
      { name: "X-Tag", value: "1" },
      { name: "X-Tag", value: "2" }
    ]
  ])("adds the headers %j, a field for each value", (headers) => {
    const head = request("ws://a/", { headers })
    assert(typeof head !== "string")
    assert.deepStrictEqual(
      head.headers.slice(5).map(({ name, value }) => `${name}: ${value}`),
      ["Cookie: a=b", "X-Tag: 1", "X-Tag: 2"]
    )
  })

  it.each([
    ["ws://a", "/", "a"],
    ["wss://a:443/b", "/b", "a"],
    ["wss://a:80/b", "/b", "a:80"],
    ["http://a:80?x=y", "/?x=y", "a"],
    ["https://A.Example:8443/%20b c?d e", "/%20b%20c?d%20e", "a.example:8443"],
    ["ws://user:pass@a/b", "/b", "a"],
    ["ws://[::1]:8000/", "/", "[::1]:8000"],
    ["ws://h\u00f6st/\u00fc", "/%C3%BC", "xn--hst-sna"]
  ])("%s asks for %s at %s", (url, target, host) => {
    const head = request(url)
    assert(typeof head !== "string")
    assert.strictEqual(head.target, target)
    assert.deepStrictEqual(head.headers[0], { name: "Host", value: host })
    assert.isTrue(Schema.is(HttpHead.RequestHead)(head))
    assert.isFalse(JSON.stringify(head).includes("pass"))
  })

  it.each([
    ["InvalidUrl", "ftp://a/", {}],
    ["InvalidUrl", "mailto:a@b", {}],
    ["InvalidUrl", "ws://a/#b", {}],
    ["InvalidUrl", "ws://a/#", {}],
    ["InvalidKey", "ws://a/", { key: "short" }],
    ["InvalidOrigin", "ws://a/", { origin: "http://a\r\nX: y" }],
    ["InvalidOrigin", "ws://a/", { origin: "" }],
    ["InvalidSubprotocol", "ws://a/", { subprotocols: ["a b"] }],
    ["InvalidSubprotocol", "ws://a/", { subprotocols: [""] }],
    ["DuplicateSubprotocol", "ws://a/", { subprotocols: ["a", "a"] }],
    ["InvalidExtension", "ws://a/", { extensions: [{ name: "a;b", params: [] }] }],
    ["InvalidHeader", "ws://a/", { headers: [{ name: "A", value: "b\r\nC: d" }] }],
    ["InvalidHeader", "ws://a/", { headers: [{ name: "A:", value: "b" }] }],
    ["InvalidHeader", "ws://a/", { headers: { A: "b\r\nC: d" } }],
    ["InvalidHeader", "ws://a/", { headers: { A: ["b", " c"] } }],
    ["InvalidHeader", "ws://a/", { headers: { "A:": "b" } }],
    ["InvalidHeader", "ws://a/", { headers: { "": "b" } }],
    ["ReservedHeader", "ws://a/", { headers: { host: "b" } }],
    ["ReservedHeader", "ws://a/", { headers: [{ name: "HOST", value: "b" }] }],
    ["ReservedHeader", "ws://a/", { headers: [{ name: "Sec-WebSocket-Key", value: "b" }] }],
    ["ReservedHeader", "ws://a/", { headers: [{ name: "Content-Length", value: "0" }] }]
  ] as ReadonlyArray<readonly [string, string, Partial<ClientHandshake.RequestOptions>]>)(
    "misuse is typed: %s for %s %j",
    (rule, url, options) => {
      assert.strictEqual(request(url, options), rule)
    }
  )

  it("refuses a URL that was not parsed as one", () => {
    const url = { href: "ws://a/", protocol: "ws:", host: "a\r\nX: y", pathname: "/", search: "" }
    assert.strictEqual(Result.isFailure(ClientHandshake.request({ url, key })), true)
    const other = { href: "ws://a/", protocol: "ws:", host: "a", pathname: "/ b", search: "" }
    assert.strictEqual(Result.isFailure(ClientHandshake.request({ url: other, key })), true)
  })
})

const golden: ReadonlyArray<readonly [string, string]> = [
  ["Upgrade", "websocket"],
  ["Connection", "Upgrade"],
  ["Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
  ["Sec-WebSocket-Protocol", "chat"]
]

type Change = { readonly [name: string]: string | ReadonlyArray<string> | undefined }

const response = (change: Change = {}, head: Partial<HttpHead.ResponseHead> = {}): HttpHead.ResponseHead => {
  const kept = golden.filter(([name]) => !(name in change))
  const added = Object.entries(change).flatMap(([name, value]) =>
    (value === undefined ? [] : typeof value === "string" ? [value] : value).map((each) => [name, each] as const)
  )
  const headers: HeaderFields.HeaderFields = [...kept, ...added].map(([name, value]) => ({ name, value }))
  return { version: "HTTP/1.1", status: 101, reason: "Switching Protocols", headers, ...head }
}

const sent: ClientHandshake.SentRequest = {
  key,
  subprotocols: ["chat", "superchat"],
  extensions: [
    { name: "foo", params: [] },
    { name: "bar", params: [] }
  ],
  sha1
}

const check = (
  head: HttpHead.ResponseHead,
  request: ClientHandshake.SentRequest = sent
): Result.Result<ClientHandshake.AcceptedHandshake, ClientHandshake.HandshakeError> =>
  ClientHandshake.checkResponse(request, head)

describe("ClientHandshake.checkResponse", () => {
  it("accepts the response of RFC 6455 1.2", () => {
    const head = response()
    assert.deepStrictEqual(Result.getOrThrow(check(head)), {
      subprotocol: "chat",
      extensions: [],
      headers: head.headers
    })
  })

  it("accepts other cases, further tokens and repeated extension headers", () => {
    const head = response({
      Upgrade: "WebSocket",
      Connection: "keep-alive, upgrade",
      "Sec-WebSocket-Protocol": undefined,
      "Sec-WebSocket-Extensions": ["bar; x=1", "foo"]
    })
    const accepted = Result.getOrThrow(check(head))
    assert.strictEqual(accepted.subprotocol, undefined)
    assert.deepStrictEqual(accepted.extensions, [
      { name: "bar", params: [{ name: "x", value: "1" }] },
      { name: "foo", params: [] }
    ])
  })

  it.each([
    ["MissingUpgrade", { Upgrade: undefined }],
    ["WrongUpgrade", { Upgrade: "h2c" }],
    ["WrongUpgrade", { Upgrade: "websocket, h2c" }],
    ["WrongUpgrade", { Upgrade: ["websocket", "websocket"] }],
    ["MissingConnection", { Connection: undefined }],
    ["WrongConnection", { Connection: "close" }],
    ["MissingAccept", { "Sec-WebSocket-Accept": undefined }],
    ["WrongAccept", { "Sec-WebSocket-Accept": "" }],
    ["WrongAccept", { "Sec-WebSocket-Accept": "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }],
    ["WrongAccept", { "Sec-WebSocket-Accept": ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="] }],
    ["MalformedExtensions", { "Sec-WebSocket-Extensions": "foo;" }],
    ["MalformedExtensions", { "Sec-WebSocket-Extensions": "" }],
    ["UnofferedExtension", { "Sec-WebSocket-Extensions": "foo, baz" }],
    ["UnofferedExtension", { "Sec-WebSocket-Extensions": "Foo" }],
    ["UnofferedSubprotocol", { "Sec-WebSocket-Protocol": "Chat" }],
    ["UnofferedSubprotocol", { "Sec-WebSocket-Protocol": "" }],
    ["UnofferedSubprotocol", { "Sec-WebSocket-Protocol": "chat, superchat" }],
    ["DuplicateSubprotocol", { "Sec-WebSocket-Protocol": ["chat", "chat"] }]
  ] as ReadonlyArray<readonly [string, Change]>)("%s for %j", (rule, change) => {
    const head = response(change)
    const result = check(head)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.rule, rule)
    assert.strictEqual(result.failure.status, 101)
    assert.deepStrictEqual(result.failure.headers, head.headers)
  })

  it("shows the status and headers of a refusal, whatever else it says", () => {
    const head = response({ "WWW-Authenticate": "Basic" }, { status: 401, reason: "Unauthorized" })
    const result = check(head)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.rule, "BadStatus")
    assert.strictEqual(result.failure.status, 401)
    assert.deepStrictEqual(result.failure.headers, head.headers)
    assert.strictEqual(result.failure.body, undefined)
    assert.strictEqual(
      result.failure.message,
      "the server's handshake failed: expected status 101, found 401 Unauthorized"
    )
  })

  it("refuses to switch over HTTP/1.0", () => {
    const result = check(response({}, { version: "HTTP/1.0" }))
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.rule, "BadHttpVersion")
  })

  it("where nothing was offered, nothing may be answered", () => {
    const nothing = { key, sha1 }
    const subprotocol = check(response(), nothing)
    assert(Result.isFailure(subprotocol))
    assert.strictEqual(subprotocol.failure.rule, "UnofferedSubprotocol")
    const extension = check(response({ "Sec-WebSocket-Extensions": "foo" }), nothing)
    assert(Result.isFailure(extension))
    assert.strictEqual(extension.failure.rule, "UnofferedExtension")
  })

  it.prop(
    "any head is accepted or refused",
    [Arbitrary.schema(HttpHead.ResponseHead)],
    ([head]) => {
      check(head)
      check({ ...head, status: 101 })
      check({ ...response(), headers: [...response().headers, ...head.headers] })
    },
    { arbitrary: { runs: 1000 } }
  )
})

const parse = <Kind extends "request" | "response">(
  kind: Kind,
  bytes: Uint8Array
): { readonly request: HttpHead.RequestHead; readonly response: HttpHead.ResponseHead }[Kind] => {
  const result = new HeadParser(kind, { maxHeaderBytes: 1 << 20, maxHeaderFields: 1 << 10 }).push(bytes)
  assert(result?._tag === "ParsedHead")
  return result.head
}

describe("both roles", () => {
  it.prop(
    "a client and a server agree over bytes",
    [Schema.Uint8Array, Subprotocols, ExtensionOffers, Schema.Natural],
    ([random, subprotocols, extensions, pick]) => {
      const nonce = new Uint8Array(16)
      nonce.set(random.subarray(0, 16))
      const newKey = HandshakeKey.fromRandom(nonce)
      const url = new URL("ws://example.com/a?b")
      const options = { url, key: newKey, subprotocols, extensions, origin: "http://example.com" }
      const sentHead = Result.getOrThrow(ClientHandshake.request(options))
      const sentBytes = Result.getOrThrow(HttpHead.encodeRequest(sentHead))

      const received = Result.getOrThrow(ServerHandshake.readUpgrade(parse("request", sentBytes)))
      assert.deepStrictEqual(received.subprotocols, subprotocols)
      assert.deepStrictEqual(received.extensions, extensions)
      const chosen = subprotocols[pick % subprotocols.length]!
      const policy = {
        paths: ["/a"],
        subprotocols: [chosen],
        negotiate: (offers: typeof extensions) => offers.slice(0, 1)
      }
      const agreement = Result.getOrThrow(HandshakePolicy.decide(received, policy))
      const answer = Result.getOrThrow(ServerHandshake.acceptResponse(received, { ...agreement, sha1 }))
      const answerBytes = Result.getOrThrow(HttpHead.encodeResponse(answer))

      const accepted = Result.getOrThrow(
        ClientHandshake.checkResponse({ key: newKey, subprotocols, extensions, sha1 }, parse("response", answerBytes))
      )
      assert.strictEqual(accepted.subprotocol, chosen)
      assert.deepStrictEqual(accepted.extensions, extensions.slice(0, 1))
    },
    { arbitrary: { runs: 1000 } }
  )
})
