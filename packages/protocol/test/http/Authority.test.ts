import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Authority from "../../src/http/Authority.ts"
import { fastest } from "../fixtures/bytes.ts"

describe("Authority", () => {
  it.each([
    ["example.com", { host: "example.com", port: undefined }],
    ["EXAMPLE.com:8080", { host: "example.com", port: 8080 }],
    ["example.com:", { host: "example.com", port: undefined }],
    ["example.com:0443", { host: "example.com", port: 443 }],
    ["127.0.0.1:1", { host: "127.0.0.1", port: 1 }],
    ["[::1]", { host: "[::1]", port: undefined }],
    ["[2001:DB8::1]:65535", { host: "[2001:db8::1]", port: 65535 }],
    ["[::ffff:1.2.3.4]:80", { host: "[::ffff:1.2.3.4]", port: 80 }],
    ["a_b~!$&'()*+,;=%20", { host: "a_b~!$&'()*+,;=%20", port: undefined }],
    ["", undefined],
    [":80", undefined],
    ["a:65536", undefined],
    ["a:-1", undefined],
    ["a:1e3", undefined],
    ["a:8 0", undefined],
    ["a:b:80", undefined],
    ["user@host", undefined],
    ["user:pass@host:80", undefined],
    ["a/b", undefined],
    ["a?b", undefined],
    ["a#b", undefined],
    ["a\\b", undefined],
    ["a b", undefined],
    ["a%zz", undefined],
    ["h\u00f6st", undefined],
    ["::1", undefined],
    ["[::1", undefined],
    ["::1]", undefined],
    ["[]", undefined],
    ["[a]", undefined],
    ["[::1]80", undefined],
    ["[fe80::1%25eth0]", undefined]
  ])("parse(%j)", (value, expected) => {
    assert.deepStrictEqual(Authority.parse(value), expected)
  })

  it.each([
    ["https://Example.com", { scheme: "https", host: "example.com", port: undefined }],
    ["HTTP://[::1]:8080", { scheme: "http", host: "[::1]", port: 8080 }],
    ["chrome-extension://abcdef", { scheme: "chrome-extension", host: "abcdef", port: undefined }],
    ["null", undefined],
    ["", undefined],
    ["https://", undefined],
    ["://a", undefined],
    ["https://a/", undefined],
    ["https://a https://b", undefined],
    ["file:///a", undefined]
  ])("parseOrigin(%j)", (value, expected) => {
    assert.deepStrictEqual(Authority.parseOrigin(value), expected)
  })

  it.each([
    ["http://a", "http://a:80", true],
    ["https://a", "https://a:443", true],
    ["wss://a", "wss://a:443", true],
    ["https://a", "https://a:80", false],
    ["https://a", "http://a", false],
    ["https://a", "https://b", false],
    ["https://a:8443", "https://A:8443", true],
    ["x://a", "x://a", true],
    ["x://a", "x://a:80", false]
  ])("equalsOrigin(%j, %j) is %s", (a, b, expected) => {
    assert.strictEqual(Authority.equalsOrigin(Authority.parseOrigin(a)!, Authority.parseOrigin(b)!), expected)
  })

  it.prop("garbage never throws", [Schema.String], ([text]) => {
    Authority.parse(text)
    Authority.parseOrigin(text)
    Authority.parseOrigin(`http://${text}`)
  })

  it.each([":", "[", "]", "%", "%2", "[:", ".", "/"])("32 000 characters of %j cost no more than letters", (filler) => {
    const cost = (text: string): number => {
      const long = text.repeat(32_000 / text.length)
      return fastest(() => {
        for (const value of [long, `[${long}]`, `a${long}@`, `[${long}`]) Authority.parseOrigin(`http://${value}`)
      })
    }
    assert.isBelow(cost(filler), 30 * cost("a") + 5)
  })
})
