import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as Target from "../src/Target.ts"

const make = (url: string | URL, socketPath?: string): Target.Target => Result.getOrThrow(Target.make(url, socketPath))

describe("Target", () => {
  const cases: ReadonlyArray<readonly [url: string, href: string, address: Target.Target["address"]]> = [
    ["ws://host", "ws://host/", { host: "host", port: 80 }],
    ["wss://host/a?b", "wss://host/a?b", { host: "host", port: 443 }],
    ["http://host:8080/", "ws://host:8080/", { host: "host", port: 8080 }],
    ["https://HOST:443/", "wss://host/", { host: "host", port: 443 }],
    ["wss://host:80/", "wss://host:80/", { host: "host", port: 80 }],
    ["ws://[::1]:81/", "ws://[::1]:81/", { host: "::1", port: 81 }],
    ["ws://bücher.example/", "ws://xn--bcher-kva.example/", { host: "xn--bcher-kva.example", port: 80 }],
    ["ws+unix:/run/a.sock", "ws://localhost/", { path: "/run/a.sock" }],
    ["ws+unix:///run/a.sock:/chat?a:b", "ws://localhost/chat?a:b", { path: "/run/a.sock" }],
    ["wss+unix:/run/a%20b.sock:/", "wss://localhost/", { path: "/run/a b.sock" }],
    ["ws+unix:a.sock:/x:y", "ws://localhost/x:y", { path: "a.sock" }]
  ]
  for (const [url, href, address] of cases) {
    it(`takes ${url} apart`, () => {
      const target = make(url)
      assert.strictEqual(target.url.href, href)
      assert.deepStrictEqual(target.address, address)
      assert.strictEqual(target.secure, href.startsWith("wss:"))
      assert.isUndefined(target.userInfo)
    })
  }

  it("takes user information out of the URL, and leaves the one it was given alone", () => {
    const url = new URL("wss://us%40er:p%3Ass@host/")
    const target = make(url)
    assert.strictEqual(url.password, "p%3Ass")
    assert.strictEqual(target.url.href, "wss://host/")
    assert.isTrue(target.userInfo?._tag === "Password")
    if (target.userInfo?._tag === "Password") {
      assert.strictEqual(target.userInfo.username, "us@er")
      assert.strictEqual(Redacted.value(target.userInfo.password), "p:ss")
    }
  })

  it("is formatted without what may be secret", () => {
    assert.strictEqual(Target.format(make("ws://user:pass@host:81/path?token=1")), "ws://host:81/path")
  })

  it("does not repeat a URL that it refuses", () => {
    for (const url of ["ftp://user:pass@host/pass", "ws://user:pass@host/#pass", "ws://user:pass@@:x:pass"]) {
      const refused = Target.make(url)
      assert.isTrue(Result.isFailure(refused))
      if (Result.isFailure(refused)) assert.notInclude(refused.failure.message, "pass")
    }
  })

  it("tells origins apart", () => {
    const origins = ["ws://a/", "wss://a/", "ws://b/", "ws://a:81/", "ws+unix:/a", "ws+unix:/b"]
    for (const a of origins) {
      for (const b of origins) assert.strictEqual(Target.isSameOrigin(make(a), make(b)), a === b, `${a} and ${b}`)
    }
    assert.isTrue(Target.isSameOrigin(make("ws://a:80/x"), make("http://A/y")))
    assert.isFalse(Target.isSameOrigin(make("ws://a/"), make("ws://a/", "/run/a.sock")))
  })
})
