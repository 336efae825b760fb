import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted, Result } from "effect"
import * as Authorization from "../../src/auth/Authorization.ts"
import * as ClientAuth from "../../src/auth/ClientAuth.ts"
import { hashes } from "../fixtures/hashes.ts"

const parse = (value: string): ReadonlyArray<Authorization.Challenge> =>
  Result.getOrThrow(Authorization.parseChallenges(value))

const digest = (algorithm: string, realm: string = "r"): string =>
  `Digest realm="${realm}", nonce="n", qop="auth", algorithm=${algorithm}`

const password = ClientAuth.password("user", "pass")
const token = ClientAuth.token("abc")

const summary = (
  challenges: string,
  proof: ClientAuth.ClientCredentials = password,
  options?: Partial<ClientAuth.RespondOptions>
): string => {
  const value = Option.getOrUndefined(
    ClientAuth.respondToChallenge(parse(challenges), proof, {
      method: "GET",
      uri: "/",
      cnonce: "c",
      hashes,
      ...options
    })
  )
  if (value === undefined) return "none"
  const credentials = Result.getOrThrow(Authorization.parseCredentials(value))
  return Authorization.isScheme(credentials, "Digest")
    ? ["Digest", "algorithm", "realm", "nc"].map((name) => Authorization.param(credentials, name) ?? name).join(" ")
    : value
}

describe("ClientAuth", () => {
  it.each([
    ["Basic realm=x", "Basic dXNlcjpwYXNz"],
    [`Basic realm=x, ${digest("MD5")}`, "Digest MD5 r 00000001"],
    [`${digest("MD5")}, ${digest("SHA-256")}, ${digest("SHA-512-256")}`, "Digest SHA-512-256 r 00000001"],
    [`${digest("SHA-512-256")}, ${digest("SHA-256")}, ${digest("MD5")}`, "Digest SHA-512-256 r 00000001"],
    [`${digest("SHA-256", "a")}, ${digest("SHA-256-sess", "b")}`, "Digest SHA-256 a 00000001"],
    [`${digest("SHA-256-sess", "b")}, ${digest("SHA-256", "a")}`, "Digest SHA-256-sess b 00000001"],
    [`${digest("SHA-1")}, ${digest("MD5")}`, "Digest MD5 r 00000001"],
    [`${digest("SHA-1")}, Basic realm=x`, "Basic dXNlcjpwYXNz"],
    ['Digest realm="r", nonce="n", Basic realm=x', "Basic dXNlcjpwYXNz"],
    ["Negotiate, NTLM, Bearer realm=x", "none"]
  ])("a password answers %j with %j", (challenges, answer) => {
    assert.strictEqual(summary(challenges), answer)
  })

  it("a token answers Bearer and nothing else", () => {
    assert.strictEqual(summary("Basic realm=x, Bearer realm=y", token), "Bearer abc")
    assert.strictEqual(summary(`Basic realm=x, ${digest("MD5")}`, token), "none")
  })

  it("takes the strongest hash that is at hand", () => {
    const all = `${digest("SHA-512-256")}, ${digest("SHA-256")}, ${digest("MD5")}, Basic realm=x`
    const { MD5, "SHA-256": sha256 } = hashes
    assert.strictEqual(summary(all, password, { hashes: { MD5, "SHA-256": sha256 } }), "Digest SHA-256 r 00000001")
    assert.strictEqual(summary(all, password, { hashes: { MD5 } }), "Digest MD5 r 00000001")
    assert.strictEqual(summary(all, password, { hashes: {} }), "Basic dXNlcjpwYXNz")
  })

  it("uses no scheme that it is not to use", () => {
    const all = `${digest("MD5")}, Basic realm=x, Bearer`
    assert.strictEqual(summary(all, password, { schemes: ["Basic"] }), "Basic dXNlcjpwYXNz")
    assert.strictEqual(summary("Basic realm=x", password, { schemes: ["Digest"] }), "none")
    assert.strictEqual(summary(all, token, { schemes: ["Digest", "Basic"] }), "none")
  })

  it("counts the answers to a nonce", () => {
    assert.strictEqual(summary(digest("MD5"), password, { nc: 4_294_967_295 }), "Digest MD5 r ffffffff")
  })

  it("does not answer what it cannot", () => {
    assert.strictEqual(summary("Basic realm=x", ClientAuth.password("a:b", "c")), "none")
    assert.strictEqual(summary("Bearer", ClientAuth.token("a b")), "none")
  })

  it("has something to say without being asked", () => {
    assert.deepStrictEqual(ClientAuth.preemptive(password), Option.some("Basic dXNlcjpwYXNz"))
    assert.deepStrictEqual(ClientAuth.preemptive(token), Option.some("Bearer abc"))
    assert.deepStrictEqual(ClientAuth.preemptive(ClientAuth.password("a:b", "c")), Option.none())
  })

  it("knows a stale nonce from a wrong password", () => {
    assert.isTrue(ClientAuth.isStale(parse(`Basic realm=x, ${digest("MD5")}, stale=true`)))
    assert.isFalse(ClientAuth.isStale(parse(`Basic realm=x, stale=true, ${digest("MD5")}, stale=false`)))
  })

  it("shows no secret", () => {
    for (const proof of [ClientAuth.password("user", Redacted.make("hunter2")), ClientAuth.token("hunter2")]) {
      assert.notInclude(JSON.stringify(proof), "hunter2")
    }
  })
})
