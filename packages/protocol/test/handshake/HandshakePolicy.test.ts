import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as HandshakePolicy from "../../src/handshake/HandshakePolicy.ts"
import type { UpgradeRequest } from "../../src/handshake/ServerHandshake.ts"

const request = (change: Partial<UpgradeRequest> = {}): UpgradeRequest => ({
  version: "HTTP/1.1",
  target: "/chat",
  path: "/chat",
  query: "",
  host: "example.com",
  origin: undefined,
  key: "dGhlIHNhbXBsZSBub25jZQ==",
  subprotocols: [],
  extensions: [],
  headers: [],
  secure: undefined,
  ...change
})

const verdict = (
  change: Partial<UpgradeRequest>,
  policy: HandshakePolicy.HandshakePolicy = {}
): HandshakePolicy.HandshakeDecision | string => {
  const result = HandshakePolicy.decide(request(change), policy)
  return Result.isFailure(result) ? `${result.failure.status} ${result.failure.rule}` : result.success
}

const admits = (change: Partial<UpgradeRequest>, origins?: HandshakePolicy.Origins): boolean => {
  const result = verdict(change, { origins })
  assert.isTrue(typeof result !== "string" || result === "403 ForbiddenOrigin")
  return typeof result !== "string"
}

describe("HandshakePolicy", () => {
  it.each([
    [{ origin: "http://a.test" }, "same-origin", 'it is not that of the host asked for, "example.com"'],
    [
      { origin: "http://example.com", secure: true },
      "same-origin",
      'it is not that of the host asked for, "https://example.com"'
    ],
    [{ origin: "http://a.test" }, ["https://secret.test"], "it is not among those admitted"]
  ] as const)("names what it compared where it refuses %j by %j", (change, origins, why) => {
    const result = HandshakePolicy.decide(request(change), { origins })
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure.reason, `the origin "${change.origin}" may not connect to this server: ${why}`)
  })

  it.each([
    ["http://example.com", "example.com", undefined, true],
    ["https://example.com", "example.com", undefined, true],
    ["HTTPS://Example.COM", "eXample.com", undefined, true],
    ["http://example.com", "example.com:80", undefined, true],
    ["http://example.com:80", "example.com", undefined, true],
    ["https://example.com", "example.com:443", undefined, true],
    ["https://example.com", "example.com:80", undefined, false],
    ["http://example.com", "example.com:8080", undefined, false],
    ["http://example.com:8080", "example.com:8080", undefined, true],
    ["http://example.com:8080", "example.com", undefined, false],
    ["http://[::1]:8000", "[::1]:8000", undefined, true],
    ["http://[2001:DB8::1]", "[2001:db8::1]", undefined, true],
    ["http://[::1]", "[::2]", undefined, false],
    ["http://127.0.0.1:8000", "localhost:8000", undefined, false],
    ["http://evil.com", "example.com", undefined, false],
    ["http://example.com.evil.com", "example.com", undefined, false],
    ["http://evilexample.com", "example.com", undefined, false],
    ["http://sub.example.com", "example.com", undefined, false],
    ["http://example.com@evil.com", "example.com", undefined, false],
    ["http://example.com/", "example.com", undefined, false],
    ["http://example.com http://evil.com", "example.com", undefined, false],
    ["null", "null", undefined, false],
    ["", "example.com", undefined, false],
    ["example.com", "example.com", undefined, false],
    ["file://", "example.com", undefined, false],
    ["chrome-extension://example.com", "example.com", undefined, false],
    // where TLS ends here, a page that came without it is another origin
    ["http://example.com", "example.com", true, false],
    ["https://example.com", "example.com", true, true],
    // where it does not end here, it may have ended at a proxy
    ["https://example.com", "example.com", false, true],
    ["http://example.com", "example.com", false, true]
  ])("same-origin: %j at host %j, secure %s: %s", (origin, host, secure, expected) => {
    assert.strictEqual(admits({ origin, host, secure }), expected)
    assert.strictEqual(admits({ origin, host, secure }, "same-origin"), expected)
  })

  it("an absent origin passes everywhere, any origin where any may", () => {
    for (const origins of [undefined, "same-origin", "any", [], ["https://a"]] as const) {
      assert.isTrue(admits({}, origins))
    }
    for (const origin of ["null", "http://evil.com", "garbage"]) assert.isTrue(admits({ origin }, "any"))
  })

  it.each([
    ["https://a.com", ["https://a.com"], true],
    ["https://A.com:443", ["https://a.com"], true],
    ["https://a.com", ["HTTPS://A.COM:443"], true],
    ["http://a.com", ["https://a.com"], false],
    ["https://a.com:444", ["https://a.com"], false],
    ["https://b.com", ["https://a.com", "https://b.com"], true],
    ["https://example.com", ["https://a.com"], false],
    ["chrome-extension://abc", ["chrome-extension://abc"], true],
    ["null", ["https://a.com"], false],
    ["null", ["null"], true],
    ["https://a.com", [], false],
    ["https://a.com", ["a.com"], false]
  ])("listed: %j in %j: %s", (origin, origins, expected) => {
    assert.strictEqual(admits({ origin }, origins), expected)
  })

  it("wants a path that exists, exactly", () => {
    const policy = { paths: ["/", "/chat"] }
    assert.isObject(verdict({ path: "/chat", query: "a" }, policy))
    for (const path of ["/chat/", "/Chat", "/cha", "/%63hat", "/../chat", ""]) {
      assert.strictEqual(verdict({ path }, policy), "404 UnknownLocation")
    }
    assert.strictEqual(verdict({}, { paths: [] }), "404 UnknownLocation")
    assert.isObject(verdict({ path: "/anything" }))
  })

  it("chooses the first subprotocol of the server that the client offered, or none", () => {
    const choose = (offered: ReadonlyArray<string>, spoken?: ReadonlyArray<string>): string | undefined => {
      const result = verdict({ subprotocols: offered }, { subprotocols: spoken })
      assert(typeof result !== "string")
      return result.subprotocol
    }
    assert.strictEqual(choose(["a", "b"], ["b", "a"]), "b")
    assert.strictEqual(choose(["a"], ["A"]), undefined)
    assert.strictEqual(choose(["a"], []), undefined)
    assert.strictEqual(choose(["a"]), undefined)
    assert.strictEqual(choose([], ["a"]), undefined)
  })

  it("hands the offers to the negotiation of extensions", () => {
    const offers = [{ name: "foo", params: [{ name: "a", value: undefined }] }]
    const answer = [{ name: "foo", params: [] }]
    const result = verdict(
      { extensions: offers },
      {
        negotiate: (received) => {
          assert.strictEqual(received, offers)
          return answer
        }
      }
    )
    assert.deepStrictEqual(result, { subprotocol: undefined, extensions: answer })
    assert.deepStrictEqual(verdict({ extensions: offers }), { subprotocol: undefined, extensions: [] })
  })

  it("asks for the location before the origin", () => {
    assert.strictEqual(verdict({ path: "/x", origin: "http://evil" }, { paths: ["/"] }), "404 UnknownLocation")
  })
})
